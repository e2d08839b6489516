#include <stdint.h>
#define SHIFT 8
#define ROUND(x, s) (((x) + (1 << ((s) - 1))) >> (s))
void gain(const int16_t *x, int16_t g, int16_t *y, int n) {
  for (int i = 0; i < n; i++) y[i] = (int16_t)ROUND(x[i] * g, SHIFT);
}
