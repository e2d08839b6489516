void leaky(float *x, int n) {
  for (int i = 0; i < n; ++i) x[i] = (x[i] > 0) ? x[i] : .1f * x[i];
}
