#include <stdint.h>
void depthwise(const int8_t in[16][16][8], const int8_t w[3][3][8], const int32_t b[8], int8_t out[8][8][8]) {
  for (int y = 0; y < 8; y++)
    for (int x = 0; x < 8; x++)
      for (int c = 0; c < 8; c++) {
        int32_t acc = b[c];
        for (int i = 0; i < 3; i++) {
          const int yy = y * 2 + i - 1;
          if (yy < 0) continue;
          if (yy >= 16) continue;
          for (int j = 0; j < 3; j++) {
            const int xx = x * 2 + j - 1;
            if (xx < 0 || xx >= 16) continue;
            acc += (int32_t)in[yy][xx][c] * (int32_t)w[i][j][c];
          }
        }
        acc = (acc + 64) >> 7;
        if (acc > 127) acc = 127;
        if (acc < -128) acc = -128;
        out[y][x][c] = (int8_t)acc;
      }
}
