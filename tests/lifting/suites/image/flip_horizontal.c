#include <stdint.h>
void hflip(const uint8_t *src, uint8_t *dst, int w, int h) {
  for (int y = 0; y < h; y++) {
    const uint8_t *s = src + y * w;
    uint8_t *d = dst + y * w;
    for (int x = 0; x < w; x++) d[x] = s[w - 1 - x];
  }
}
