void laplacian(const double *u, double *v, int n) {
  for (int i = 1; i < n - 1; i++)
    for (int j = 1; j < n - 1; j++)
      for (int k = 1; k < n - 1; k++) {
        int c = (i * n + j) * n + k;
        v[c] = u[c + 1] + u[c - 1] + u[c + n] + u[c - n] + u[c + n * n] + u[c - n * n] - 6.0 * u[c];
      }
}
