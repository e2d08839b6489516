#include <stdint.h>
#define M 20
#define K 12

void kernel(const int8_t A[M][K], const int8_t B[K][1], int32_t C[M][1]) {
  for (int i = 0; i < M; i++)
    for (int j = 0; j < 1; j++) {
      int32_t acc = 0;
      for (int k = 0; k < K; k++) acc += A[i][k] * B[k][j];
      C[i][j] = acc;
    }
}
