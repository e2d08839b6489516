#include <math.h>
void layernorm(const float *x, const float *g, const float *b, float *y, int rows, int n) {
  for (int r = 0; r < rows; r++) {
    float mean = 0.f, var = 0.f;
    for (int i = 0; i < n; i++) mean += x[r * n + i];
    mean /= n;
    for (int i = 0; i < n; i++) {
      float d = x[r * n + i] - mean;
      var += d * d;
    }
    var /= n;
    float inv = 1.0f / sqrtf(var + 1e-5f);
    for (int i = 0; i < n; i++) y[r * n + i] = (x[r * n + i] - mean) * inv * g[i] + b[i];
  }
}
