int k_compact(int n, const int a[n], int b[n]) {
    int k = 0;
    for (int i = 0; i < n; i++) if (a[i] > 0) { b[k] = a[i]; k++; }
    return k;
}
