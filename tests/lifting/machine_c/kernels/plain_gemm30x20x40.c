#include <stdint.h>
void kernel(const int8_t A[30][40], const int8_t B[40][20], int8_t C[30][20]) {
  for (int i = 0; i < 30; i++)
    for (int j = 0; j < 20; j++) {
      int32_t s = 0;
      for (int k = 0; k < 40; k++) s += (int32_t)A[i][k] * (int32_t)B[k][j];
      C[i][j] = s > 127 ? 127 : s < -128 ? -128 : (int8_t)s;
    }
}
