#include <stdint.h>
#define M 20
#define N 24
#define K 12

void kernel(const int8_t A[M][K], const int8_t B[K][N], int8_t C[M][N]) {
  int i, j, k;
  for (i = 0; i < M; ++i) {
    for (j = 0; j < N; ++j) {
      int sum = 0;
      for (k = 0; k < K; ++k) { sum = sum + (int)A[i][k] * (int)B[k][j]; }
      if (sum > 127) { sum = 127; }
      if (sum < -128) { sum = -128; }
      C[i][j] = (int8_t)sum;
    }
  }
}
