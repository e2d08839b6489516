void k_integral(int m, int n, const int a[m][n], int s[m][n]) {
    for (int i = 0; i < m; i++) { int r = 0; for (int j = 0; j < n; j++) { r += a[i][j]; s[i][j] = r; if (i > 0) s[i][j] += s[i-1][j]; } }
}
