#include <stdint.h>
void box3(int w, int h, const uint8_t src[h][w], uint8_t dst[h][w]) {
  for (int y = 1; y < h - 1; ++y)
    for (int x = 1; x < w - 1; ++x) {
      int sum = 0;
      for (int dy = -1; dy <= 1; ++dy)
        for (int dx = -1; dx <= 1; ++dx) sum += src[y + dy][x + dx];
      dst[y][x] = sum / 9;
    }
}
