#include <stdint.h>
#include <math.h>
void requantize(const int32_t *x, int8_t *y, int n, float scale) {
  for (int i = 0; i < n; i++) {
    float v = roundf(x[i] * scale);
    if (v > 127.0f) v = 127.0f;
    if (v < -128.0f) v = -128.0f;
    y[i] = (int8_t)v;
  }
}
