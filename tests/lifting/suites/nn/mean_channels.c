void mean_cpu(float *x, int batch, int filters, int spatial, float *mean) {
  float scale = 1. / (batch * spatial);
  int i, j, k;
  for (i = 0; i < filters; ++i) {
    mean[i] = 0;
    for (j = 0; j < batch; ++j)
      for (k = 0; k < spatial; ++k) {
        int index = j * filters * spatial + i * spatial + k;
        mean[i] += x[index];
      }
    mean[i] *= scale;
  }
}
