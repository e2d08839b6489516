#include <math.h>
void sigmoid(const float *x, float *y, int n) {
  for (int i = 0; i < n; i++) y[i] = 1.f / (1.f + expf(-x[i]));
}
