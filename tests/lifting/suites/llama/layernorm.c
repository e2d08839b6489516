#include <math.h>
void layernorm(float* out, float* inp, float* weight, float* bias, int N, int C) {
  for (int b = 0; b < N; b++) {
    float* x = inp + b * C;
    float m = 0.0f;
    for (int i = 0; i < C; i++) {
      m += x[i];
    }
    m = m / C;
    float v = 0.0f;
    for (int i = 0; i < C; i++) {
      float xshift = x[i] - m;
      v += xshift * xshift;
    }
    v = v / C;
    float s = 1.0f / sqrtf(v + 1e-5f);
    float* out_bt = out + b * C;
    for (int i = 0; i < C; i++) {
      float n = (s * (x[i] - m));
      float o = n * weight[i] + bias[i];
      out_bt[i] = o;
    }
  }
}
