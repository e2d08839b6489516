float dot(const float *a, const float *b, int n) {
  double acc = 0.0;
  int i;
  for (i = n - 1; i >= 0; i--) acc += (double)a[i] * b[i];
  return (float)acc;
}
