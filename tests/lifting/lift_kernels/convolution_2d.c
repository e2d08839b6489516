#include <stdint.h>

void kernel(const int8_t X[10][12], const int8_t W[3][3], int32_t Y[8][10]) {
  for (int i = 0; i < 8; i++) for (int j = 0; j < 10; j++) {
    int32_t s = 0;
    for (int a = 0; a < 3; a++) for (int b = 0; b < 3; b++) s += X[i+a][j+b]*W[a][b];
    Y[i][j] = s;
  }
}
