int k_find2(int n, const int a[n], int x) {
    int i;
    for (i = 0; i < n; i++) if (a[i] == x) break;
    return i;
}
