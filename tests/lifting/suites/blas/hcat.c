void hcat(const int *a, const int *b, int *out, int rows, int n, int m) {
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < n; j++) out[i * (n + m) + j] = a[i * n + j];
    for (int j = 0; j < m; j++) out[i * (n + m) + n + j] = b[i * m + j];
  }
}
