#include <stdint.h>
void blend(const uint8_t *fg, const uint8_t *bg, const uint8_t *alpha, uint8_t *out, int n) {
  for (int i = 0; i < n; ++i) {
    unsigned a = alpha[i];
    out[i] = (fg[i] * a + bg[i] * (255 - a) + 127) / 255;
  }
}
