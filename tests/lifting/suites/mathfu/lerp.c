void lerp(int* out, int* a, int* b, int percent, int n) {
  const int one_minus_percent = 1 - percent;
  for (int i = 0; i < n; ++i)
    out[i] = one_minus_percent * a[i] + percent * b[i];
}
