void horner(const float *x, float *y, const float c[4], int n) {
  for (int i = 0; i < n; i++) {
    float v = c[3];
    for (int k = 2; k >= 0; k--) v = v * x[i] + c[k];
    y[i] = v;
  }
}
