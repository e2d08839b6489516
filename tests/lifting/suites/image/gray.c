#include <stdint.h>
void rgb_to_gray(const uint8_t *rgb, uint8_t *gray, int n) {
  for (int i = 0; i < n; i++) {
    int r = rgb[3 * i], g = rgb[3 * i + 1], b = rgb[3 * i + 2];
    gray[i] = (uint8_t)((77 * r + 150 * g + 29 * b) >> 8);
  }
}
