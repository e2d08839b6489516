#include <stdint.h>
#define N 24
#define K 12

void kernel(const int8_t x[K], const int8_t B[K][N], int32_t y[N]) {
  for (int j = 0; j < N; j++) y[j] = 0;
  for (int k = 0; k < K; k++)
    for (int j = 0; j < N; j++) y[j] += x[k] * B[k][j];
}
