#include <stdint.h>
void kernel(const int8_t A[32][32], const int8_t B[32][32], int8_t C[32][32]) {
  for (int i = 0; i < 32; i++)
    for (int j = 0; j < 32; j++) {
      int32_t s = 0;
      for (int k = 0; k < 32; k++) s += (int32_t)A[i][k] * (int32_t)B[k][j];
      C[i][j] = s > 127 ? 127 : s < -128 ? -128 : (int8_t)s;
    }
}
