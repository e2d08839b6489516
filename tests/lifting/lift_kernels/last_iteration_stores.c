#include <stdint.h>
#define M 20
#define N 24
#define K 12

void kernel(const int8_t A[M][K], const int8_t B[K][N], int8_t C[M][N]) {
  int32_t acc;
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++)
      for (int k = 0; k < K; k++) {
        acc = k == 0 ? 0 : acc;
        acc += A[i][k] * B[k][j];
        if (k == K - 1) C[i][j] = acc > 127 ? 127 : acc < -128 ? -128 : acc;
      }
}
