#include <stdint.h>
#define M 6
#define N 12

void kernel(const int32_t A[M][N], const int32_t x[N], int32_t y[N]) {
  for (int j = 0; j < N; j++) y[j] = 0;
  for (int i = 0; i < M; i++) {
    int32_t t = 0;
    for (int j = 0; j < N; j++) t += A[i][j]*x[j];
    for (int j = 0; j < N; j++) y[j] += A[i][j]*t;
  }
}
