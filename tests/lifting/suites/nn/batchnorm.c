#include <math.h>
void normalize_cpu(float *x, float *mean, float *variance, int batch, int filters, int spatial) {
  int b, f, i;
  for (b = 0; b < batch; ++b) {
    for (f = 0; f < filters; ++f) {
      for (i = 0; i < spatial; ++i) {
        int index = b * filters * spatial + f * spatial + i;
        x[index] = (x[index] - mean[f]) / (sqrtf(variance[f]) + .000001f);
      }
    }
  }
}
