#include <stdint.h>
#define M 20
#define N 24
#define K 12

void kernel(const int8_t A[M][K], const int8_t B[K][N], int8_t C[M][N]) {
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      int32_t acc = 0;
      for (int k = 0; k < K; k++) acc += A[i][k] * B[k][j];
      int32_t r = (acc + 31 + ((acc >> 6) & 1)) >> 6;
      C[i][j] = r > 127 ? 127 : r < -128 ? -128 : r;
    }
}
