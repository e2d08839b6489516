void k_runmax(int n, const int a[n], int m[n]) {
    int r = a[0];
    for (int i = 0; i < n; i++) { if (a[i] > r) r = a[i]; m[i] = r; }
}
