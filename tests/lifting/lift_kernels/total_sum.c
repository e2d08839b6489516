#include <stdint.h>
#define M 6
#define N 12

void kernel(const int32_t A[M][N], int32_t y[1]) {
  y[0] = 0;
  for (int i = 0; i < M; i++) {
    int32_t s = 0;
    for (int j = 0; j < N; j++) s += A[i][j];
    y[0] += s;
  }
}
