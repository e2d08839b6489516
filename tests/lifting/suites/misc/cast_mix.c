void to_float(const short *x, float *y, int n, float scale) {
  for (int i = 0; i < n; i++) y[i] = (float)x[i] / 32768.0f * scale;
}
