#include <stdint.h>
void kernel(const int8_t A[48][64], const int8_t B[64][80], int8_t C[48][80]) {
  for (int i = 0; i < 48; i++)
    for (int j = 0; j < 80; j++) {
      int32_t s = 0;
      for (int k = 0; k < 64; k++) s += (int32_t)A[i][k] * (int32_t)B[k][j];
      C[i][j] = s > 127 ? 127 : s < -128 ? -128 : (int8_t)s;
    }
}
