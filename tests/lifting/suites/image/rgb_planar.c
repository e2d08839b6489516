#include <stdint.h>
void deinterleave(const uint8_t *rgb, uint8_t *r, uint8_t *g, uint8_t *b, int n) {
  for (int i = 0; i < n; i++) {
    r[i] = rgb[3 * i + 0];
    g[i] = rgb[3 * i + 1];
    b[i] = rgb[3 * i + 2];
  }
}
