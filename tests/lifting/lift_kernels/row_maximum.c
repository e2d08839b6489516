#include <stdint.h>
#define M 20
#define N 24

void kernel(const int32_t A[M][N], int32_t y[M]) {
  for (int i = 0; i < M; i++) {
    int32_t m = A[i][0];
    for (int j = 1; j < N; j++) if (A[i][j] > m) m = A[i][j];
    y[i] = m;
  }
}
