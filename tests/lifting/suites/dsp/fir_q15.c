#include <stdint.h>
#define TAPS 16
void fir_q15(const int16_t *x, const int16_t *h, int16_t *y, int n) {
  for (int i = 0; i < n; i++) {
    int32_t acc = 1 << 14;
    for (int k = 0; k < TAPS; k++) acc += (int32_t)x[i + k] * h[k];
    acc >>= 15;
    if (acc > 32767) acc = 32767;
    else if (acc < -32768) acc = -32768;
    y[i] = (int16_t)acc;
  }
}
