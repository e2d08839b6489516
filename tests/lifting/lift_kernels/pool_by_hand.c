#include <stdint.h>
void kernel(const int8_t X[8][8][16], int8_t Y[4][4][16]) {
  for (int y = 0; y < 4; y++) for (int x = 0; x < 4; x++) for (int c = 0; c < 16; c++) {
    int8_t m = X[2*y][2*x][c];
    if (X[2*y][2*x+1][c] > m) m = X[2*y][2*x+1][c];
    if (X[2*y+1][2*x][c] > m) m = X[2*y+1][2*x][c];
    if (X[2*y+1][2*x+1][c] > m) m = X[2*y+1][2*x+1][c];
    Y[y][x][c] = m;
  }
}
