#include <stdint.h>
void downscale2(const uint8_t in[16][16], uint8_t out[8][8]) {
  for (int y = 0; y < 8; y++)
    for (int x = 0; x < 8; x++)
      out[y][x] = (in[2 * y][2 * x] + in[2 * y][2 * x + 1] + in[2 * y + 1][2 * x] + in[2 * y + 1][2 * x + 1] + 2) >> 2;
}
