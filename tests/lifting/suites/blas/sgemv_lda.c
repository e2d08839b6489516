void sgemv(int m, int n, float alpha, const float *a, int lda, const float *x, float beta, float *y) {
  for (int i = 0; i < m; ++i) {
    float temp = 0.0f;
    for (int j = 0; j < n; ++j) temp += a[i * lda + j] * x[j];
    y[i] = alpha * temp + beta * y[i];
  }
}
