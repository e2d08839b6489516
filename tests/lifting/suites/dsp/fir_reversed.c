void fir(const int *x, const int *h, int *y, int n, int taps) {
  for (int i = 0; i < n; i++) {
    int s = 0;
    for (int k = 0; k < taps; k++) s += h[k] * x[i + taps - 1 - k];
    y[i] = s;
  }
}
