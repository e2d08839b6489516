void f(int *y, int n, int k) {
  for (int i = 0; i < n; i++) {
    if (k > 0) y[i] = 1;
    else y[i] = 2;
  }
}
