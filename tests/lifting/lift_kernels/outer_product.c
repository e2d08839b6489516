#include <stdint.h>
#define M 20
#define N 24

void kernel(const int8_t x[M], const int8_t y[N], int32_t C[M][N]) {
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) C[i][j] += x[i] * y[j];
}
