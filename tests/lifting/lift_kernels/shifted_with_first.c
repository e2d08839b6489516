#include <stdint.h>
#define N 12

void kernel(const int32_t A[N], int32_t y[N]) {
  y[0] = 7;
  for (int i = 1; i < N; i++) y[i] = A[i-1];
}
