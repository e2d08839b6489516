int k_any(int n, const int a[n]) {
    int f = 0;
    for (int i = 0; i < n; i++) if (a[i] != 0) { f = 1; break; }
    return f;
}
