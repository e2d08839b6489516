void rot(int n, float *x, float *y, float c, float s) {
  int i;
  for (i = 0; i < n; ++i) {
    float t = c * x[i] + s * y[i];
    y[i] = c * y[i] - s * x[i];
    x[i] = t;
  }
}
