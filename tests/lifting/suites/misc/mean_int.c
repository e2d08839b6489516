int mean(const int *x, int n) {
  long long s = 0;
  for (int i = 0; i < n; i++) s += x[i];
  return (int)(s / n);
}
