#include <stdint.h>
static uint8_t clamp255(int v) {
  if (v < 0) return 0;
  if (v > 255) return 255;
  return (uint8_t)v;
}
void brightness(uint8_t *img, int width, int height, int delta) {
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) img[y * width + x] = clamp255(img[y * width + x] + delta);
}
