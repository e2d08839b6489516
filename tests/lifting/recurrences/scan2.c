void k_scan2(int n, int a[n]) {
    for (int i = 1; i < n; i++) a[i] = a[i] + a[i-1];
}
