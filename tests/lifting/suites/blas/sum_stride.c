void rows(const int *A, int *y, int n, int m, int p) {
  for (int i = 0; i < p; i++)
    for (int j = 0; j < n + m; j++) y[i * (n + m) + j] = 2 * A[i * (n + m) + j];
}
