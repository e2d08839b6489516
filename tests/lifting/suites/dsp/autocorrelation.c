#include <stdint.h>
void autocorr(const int16_t *x, int32_t *r, int n, int lags) {
  for (int k = 0; k < lags; k++) {
    int32_t s = 0;
    for (int i = 0; i < n; i++) s += (int32_t)x[i] * x[i + k];
    r[k] = s >> 4;
  }
}
