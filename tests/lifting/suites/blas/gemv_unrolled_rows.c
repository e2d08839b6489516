void gemv4(const int *a, const int *x, int *y, int n) {
  for (int i = 0; i < 64; i += 4) {
    int s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int j = 0; j < n; j++) {
      s0 += a[(i + 0) * n + j] * x[j];
      s1 += a[(i + 1) * n + j] * x[j];
      s2 += a[(i + 2) * n + j] * x[j];
      s3 += a[(i + 3) * n + j] * x[j];
    }
    y[i] = s0;
    y[i + 1] = s1;
    y[i + 2] = s2;
    y[i + 3] = s3;
  }
}
