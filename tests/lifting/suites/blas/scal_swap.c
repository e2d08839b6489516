void swap(int n, float *x, float *y) {
  for (int i = 0; i < n; i++) {
    float t = x[i];
    x[i] = y[i];
    y[i] = t;
  }
}
