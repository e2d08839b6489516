#include <stdint.h>

void kernel(const int8_t A[1][1], const int8_t B[1][1], int8_t C[1][1]) {
  for (int i = 0; i < 1; i++)
    for (int j = 0; j < 1; j++) {
      int32_t acc = 0;
      for (int k = 0; k < 1; k++) acc += A[i][k] * B[k][j];
      C[i][j] = acc > 127 ? 127 : acc < -128 ? -128 : acc;
    }
}
