void global_average_pool(const float *x, int c, int hw, float *y) {
  for (int k = 0; k < c; ++k) {
    float s = 0.0f;
    for (int i = 0; i < hw; ++i) s += x[k * hw + i];
    y[k] = s / (float)hw;
  }
}
