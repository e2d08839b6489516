#include <stdint.h>
#define M 6
#define N 12

/* The accumulator is no addend of its own: it is tripled, beside a sum over another loop. */
void kernel(const int32_t A[M][N], const int32_t w[M][N], int32_t y[M]) {
  for (int i = 0; i < M; i++) {
    int32_t s = 1;
    for (int j = 0; j < N; j++) {
      int32_t t = w[i][j];
      for (int k = 0; k < N; k++) t += A[i][k];
      s = s * 3 + t;
    }
    y[i] = s;
  }
}
