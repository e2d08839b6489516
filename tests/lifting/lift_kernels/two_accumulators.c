#include <stdint.h>
#define M 20
#define N 24
#define K 12

void kernel(const int8_t A[M][K], const int8_t B[K][N], int32_t C[M][N]) {
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      int32_t even = 0, odd = 0;
      for (int k = 0; k < K; k += 2) {
        even += A[i][k] * B[k][j];
        odd += A[i][k + 1] * B[k + 1][j];
      }
      C[i][j] = even + odd;
    }
}
