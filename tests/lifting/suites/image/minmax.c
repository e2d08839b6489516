#include <stdint.h>
void minmax(const uint8_t *x, int n, uint8_t *lo, uint8_t *hi) {
  uint8_t a = 255, b = 0;
  for (int i = 0; i < n; i++) {
    if (x[i] < a) a = x[i];
    if (x[i] > b) b = x[i];
  }
  *lo = a;
  *hi = b;
}
