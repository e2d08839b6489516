#include <stdint.h>
#define M 20
#define N 24
#define K 12

void kernel(const int8_t A[M][K], const int8_t B[K][N], int32_t C[M][N]) {
  for (int i = M - 1; i >= 0; i--)
    for (int j = 0; j <= N - 1; j++) {
      int32_t acc = 0;
      for (int k = K; k > 0; --k) acc += A[i][k - 1] * B[k - 1][j];
      C[i][j] = acc;
    }
}
