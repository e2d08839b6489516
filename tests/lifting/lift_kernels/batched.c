#include <stdint.h>
#define M 20
#define N 24
#define K 12

void kernel(const int8_t A[3][M][K], const int8_t B[3][K][N], int32_t C[3][M][N]) {
  for (int b = 0; b < 3; b++)
    for (int i = 0; i < M; i++)
      for (int j = 0; j < N; j++) {
        int32_t acc = 0;
        for (int k = 0; k < K; k++) acc += A[b][i][k] * B[b][k][j];
        C[b][i][j] = acc;
      }
}
