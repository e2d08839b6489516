void k_rowscan(int m, int n, const int a[m][n], int out[m][n]) {
    for (int i = 0; i < m; i++) { int s = 0; for (int j = 0; j < n; j++) { s += a[i][j]; out[i][j] = s; } }
}
