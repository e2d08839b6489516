#include <stdint.h>
#define N 12

void kernel(const int32_t A[N], int32_t y[N]) {
  for (int i = 0; i < N; i++) y[i] = A[N - 1-i];
}
