void k_forward(int m, int n, float a[m][n]) {
    for (int i = 1; i < m; i++) for (int j = 0; j < n; j++) a[i][j] = a[i][j] + 0.5f * a[i-1][j];
}
