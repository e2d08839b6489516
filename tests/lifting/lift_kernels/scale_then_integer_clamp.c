#include <math.h>
#include <stdint.h>
#define M 20
#define N 24
#define K 12

#define SCALE 0.015625f
void kernel(const int8_t A[M][K], const int8_t B[K][N], int8_t C[M][N]) {
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      int32_t acc = 0;
      for (int k = 0; k < K; k++) acc += A[i][k] * B[k][j];
      int32_t q = (int32_t)rintf((float)acc * SCALE);
      q = q > 127 ? 127 : q;
      q = q < 0 ? 0 : q;
      C[i][j] = (int8_t)q;
    }
}
