#include <stdint.h>

void kernel(int m, int n, int p, const int8_t A[m][p], const int8_t B[p][n], int8_t C[m][n]) {
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      int32_t acc = 0;
      for (int k = 0; k < p; k++) acc += A[i][k] * B[k][j];
      C[i][j] = acc > 127 ? 127 : acc < -128 ? -128 : acc;
    }
}
