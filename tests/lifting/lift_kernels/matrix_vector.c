#include <stdint.h>
#define M 20
#define K 12

void kernel(const int8_t A[M][K], const int8_t x[K], int32_t y[M]) {
  for (int i = 0; i < M; i++) {
    y[i] = 0;
    for (int k = 0; k < K; k++) y[i] += A[i][k] * x[k];
  }
}
