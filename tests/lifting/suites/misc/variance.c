float variance(const float *x, int n) {
  float m = 0;
  for (int i = 0; i < n; i++) m += x[i];
  m /= n;
  float v = 0;
  for (int i = 0; i < n; i++) v += (x[i] - m) * (x[i] - m);
  return v / n;
}
