void sgemv_t(const int m, const int n, const int *A, const int *x, int *y) {
  int i, j;
  for (j = 0; j < n; j++) y[j] = 0;
  for (i = 0; i < m; i++) {
    const int xi = x[i];
    for (j = 0; j < n; j++) y[j] += A[i * n + j] * xi;
  }
}
