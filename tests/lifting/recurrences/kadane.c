int k_kadane(int n, const int a[n]) {
    int best = 0, cur = 0;
    for (int i = 0; i < n; i++) { cur = cur + a[i]; if (cur < 0) cur = 0; if (cur > best) best = cur; }
    return best;
}
