void apply_window(float *restrict x, const float *restrict w, unsigned n) {
  for (unsigned i = 0; i < n; ++i) x[i] *= w[i];
}
