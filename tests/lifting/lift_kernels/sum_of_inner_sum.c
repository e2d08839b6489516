#include <stdint.h>
#define M 6
#define N 12

/* The second sum adds, in every iteration, the whole of the first one. */
void kernel(const int8_t A[M][N], const int32_t w[N], int32_t t[M], int32_t y[M]) {
  for (int i = 0; i < M; i++) {
    t[i] = 0;
    for (int j = 0; j < N; j++) t[i] += A[i][j] * w[j];
  }
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) y[i] += A[i][j] + t[i];
}
