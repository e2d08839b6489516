int f(const int *x, int n, int k) {
  int s = 0;
  for (int i = 0; i < n; i++) s += k < 1 ? x[i] : -x[i];
  return s;
}
