void bmm(const float *a, const float *b, float *c, int batch, int m, int n, int k) {
  for (int s = 0; s < batch; s++) {
    const float *pa = a + s * m * k;
    const float *pb = b + s * k * n;
    float *pc = c + s * m * n;
    for (int i = 0; i < m; i++)
      for (int j = 0; j < n; j++) {
        float acc = 0.f;
        for (int p = 0; p < k; p++) acc += pa[i * k + p] * pb[p * n + j];
        pc[i * n + j] = acc;
      }
  }
}
