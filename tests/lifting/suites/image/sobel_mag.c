#include <stdint.h>
#include <stdlib.h>
#define W 32
#define H 24
void sobel(const uint8_t in[H][W], uint8_t out[H][W]) {
  static const int gx[3][3] = {{-1, 0, 1}, {-2, 0, 2}, {-1, 0, 1}};
  static const int gy[3][3] = {{-1, -2, -1}, {0, 0, 0}, {1, 2, 1}};
  for (int y = 1; y < H - 1; y++)
    for (int x = 1; x < W - 1; x++) {
      int sx = 0, sy = 0;
      for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
          sx += gx[i][j] * in[y + i - 1][x + j - 1];
          sy += gy[i][j] * in[y + i - 1][x + j - 1];
        }
      int m = abs(sx) + abs(sy);
      out[y][x] = m > 255 ? 255 : m;
    }
}
