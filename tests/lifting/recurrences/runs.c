int k_runs(int n, const int a[n]) {
    int best = 0, cur = 0;
    for (int i = 0; i < n; i++) { if (a[i] > 0) cur++; else cur = 0; if (cur > best) best = cur; }
    return best;
}
