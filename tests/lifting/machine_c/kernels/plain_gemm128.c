#include <stdint.h>
void kernel(const int8_t A[128][128], const int8_t B[128][128], int8_t C[128][128]) {
  for (int i = 0; i < 128; i++)
    for (int j = 0; j < 128; j++) {
      int32_t s = 0;
      for (int k = 0; k < 128; k++) s += (int32_t)A[i][k] * (int32_t)B[k][j];
      C[i][j] = s > 127 ? 127 : s < -128 ? -128 : (int8_t)s;
    }
}
