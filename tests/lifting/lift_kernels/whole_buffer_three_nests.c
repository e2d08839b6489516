#include <stdint.h>
#define M 20
#define N 24
#define K 12

void kernel(const int8_t A[M][K], const int8_t B[K][N], int8_t C[M][N]) {
  int32_t acc[M][N];
  for (int i = 0; i < M; i++) for (int j = 0; j < N; j++) acc[i][j] = 0;
  for (int k = 0; k < K; k++)
    for (int j = 0; j < N; j++)
      for (int i = 0; i < M; i++)
        acc[i][j] += A[i][k] * B[k][j];
  for (int j = 0; j < N; j++)
    for (int i = 0; i < M; i++) {
      int32_t v = acc[i][j];
      C[i][j] = v < -128 ? -128 : v > 127 ? 127 : v;
    }
}
