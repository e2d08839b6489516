#include <math.h>
#include <stdint.h>
#define M 20
#define N 24
#define K 12

void kernel(const int8_t A[M][K], const int8_t B[K][N], const int32_t D[M][N], int8_t C[M][N]) {
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      int32_t acc = D[i][j];
      for (int k = 0; k < K; k++) acc += A[i][k] * B[k][j];
      if (acc < 0) acc = 0;
      float scaled = rintf(acc * (1.0f / 64.0f));
      if (scaled > 127.0f) scaled = 127.0f;
      if (scaled < -128.0f) scaled = -128.0f;
      C[i][j] = (int8_t)scaled;
    }
}
