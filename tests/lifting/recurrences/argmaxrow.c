void k_argmaxrow(int m, int n, const float a[m][n], int out[m]) {
    for (int i = 0; i < m; i++) { int best = 0; for (int j = 1; j < n; j++) if (a[i][j] > a[i][best]) best = j; out[i] = best; }
}
