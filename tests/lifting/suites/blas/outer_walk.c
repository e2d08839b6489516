void ger(int m, int n, const int *x, const int *y, int *a) {
  int *p = a;
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) *p++ += x[i] * y[j];
}
