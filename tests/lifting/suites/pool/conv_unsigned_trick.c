#include <stdint.h>
#define H 12
#define W 12
void conv(const uint8_t in[H][W], const int8_t k[3][3], int16_t out[H][W]) {
  for (unsigned y = 0; y < H; y++)
    for (unsigned x = 0; x < W; x++) {
      int32_t acc = 0;
      for (unsigned i = 0; i < 3; i++)
        for (unsigned j = 0; j < 3; j++) {
          unsigned r = y + i - 1;
          unsigned c = x + j - 1;
          if (r < H && c < W) acc += in[r][c] * k[i][j];
        }
      out[y][x] = (int16_t)acc;
    }
}
