#include <stdint.h>
#define M 20
#define N 24
#define K 12

void kernel(const int8_t A[M][K], const int8_t B[K][N], int8_t C[M][N]) {
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      int32_t s = 0;
      for (int k = 0; k < K; k++) s += A[i][k] * B[k][j];
      s = s >= 128 ? 127 : s;
      s = s <= -129 ? -128 : s;
      C[i][j] = s;
    }
}
