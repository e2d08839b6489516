#include <stdint.h>
#define M 20
#define N 24
#define K 12

void kernel(const int8_t A[M][K], const int8_t B[K][N], int8_t C[M][N]) {
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      int32_t s = 0;
      for (int k = 0; k < K; k++) s += B[k][j] * A[i][k];
      if (s > 127) C[i][j] = 127;
      else if (s < -128) C[i][j] = -128;
      else C[i][j] = (int8_t)s;
    }
}
