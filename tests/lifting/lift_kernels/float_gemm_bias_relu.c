#include <stdint.h>
#define M 20
#define N 24
#define K 12

void kernel(const float A[M][K], const float B[K][N], const float bias[N], float C[M][N]) {
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) C[i][j] = bias[j];
  for (int i = 0; i < M; i++)
    for (int k = 0; k < K; k++)
      for (int j = 0; j < N; j++) C[i][j] += A[i][k] * B[k][j];
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) C[i][j] = C[i][j] < 0.0f ? 0.0f : C[i][j];
}
