void apply(const int *x, int *y, int n, int mode) {
  for (int i = 0; i < n; i++) {
    switch (mode) {
      case 0: y[i] = x[i]; break;
      case 1: y[i] = 2 * x[i]; break;
      default: y[i] = -x[i]; break;
    }
  }
}
