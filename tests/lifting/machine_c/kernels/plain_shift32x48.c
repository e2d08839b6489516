#include <stdint.h>
void gemm(const int8_t A[32][48], const int8_t B[48][32], const int32_t D[32], int8_t C[32][32]) {
  for (int i = 0; i < 32; i++)
    for (int j = 0; j < 32; j++) {
      int32_t s = D[j];
      for (int k = 0; k < 48; k++) s += A[i][k] * B[k][j];
      s >>= 7;
      if (s < 0) s = 0;
      C[i][j] = s > 127 ? 127 : s;
    }
}
