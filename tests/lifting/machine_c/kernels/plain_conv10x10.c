#include <stdint.h>
void conv(const int8_t in[2][10][10][32], const int8_t w[3][3][32][32], const int32_t bias[32], int8_t out[2][8][8][32]) {
  for (int b = 0; b < 2; b++)
    for (int y = 0; y < 8; y++)
      for (int x = 0; x < 8; x++)
        for (int c = 0; c < 32; c++) {
          int32_t s = bias[c];
          for (int r = 0; r < 3; r++)
            for (int q = 0; q < 3; q++)
              for (int k = 0; k < 32; k++)
                s += in[b][y + r][x + q][k] * w[r][q][k][c];
          out[b][y][x][c] = s > 127 ? 127 : s < -128 ? -128 : s;
        }
}
