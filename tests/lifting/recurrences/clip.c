int k_clip(int n, const int a[n]) {
    int c = 0;
    for (int i = 0; i < n; i++) { if (a[i] > 0 && c < 100) c++; else if (a[i] < 0 && c > 0) c--; }
    return c;
}
