void scale_rows(float *x, const float *s, int rows, int cols) {
  for (int i = 0; i < rows * cols; i++) x[i] *= s[i / cols];
}
