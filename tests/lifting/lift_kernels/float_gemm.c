#include <stdint.h>
#define M 20
#define N 24
#define K 12

void kernel(const float A[M][K], const float B[K][N], float C[M][N]) {
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      float acc = 0.0f;
      for (int k = 0; k < K; k++) acc += A[i][k] * B[k][j];
      C[i][j] = acc;
    }
}
