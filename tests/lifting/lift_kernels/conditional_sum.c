#include <stdint.h>
#define M 6
#define N 12

void kernel(const int32_t A[M][N], int32_t y[M]) {
  for (int i = 0; i < M; i++) {
    y[i] = 0;
    for (int j = 0; j < N; j++) if (A[i][j] > 0) y[i] += A[i][j];
  }
}
