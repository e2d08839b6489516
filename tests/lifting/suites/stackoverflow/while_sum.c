int while_sum(const int *a, int n) {
  int i = 0, s = 0;
  while (i < n) {
    s += a[i];
    i++;
  }
  return s;
}
