#include <stdint.h>
#define M 20
#define N 24
#define K 12

void kernel(const int8_t A[M][K], const int8_t B[K][N], const int8_t D[N][K], int32_t T[M][N], int32_t C[M][K]) {
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      T[i][j] = 0;
      for (int k = 0; k < K; k++) T[i][j] += A[i][k] * B[k][j];
    }
  for (int i = 0; i < M; i++)
    for (int j = 0; j < K; j++) {
      C[i][j] = 0;
      for (int k = 0; k < N; k++) C[i][j] += T[i][k] * D[k][j];
    }
}
