#include <stdint.h>
#define N 12

void kernel(const int32_t A[N], int32_t y[N], int32_t z[N]) {
  for (int i = 0; i < N; i++) {
    y[i] = A[i]+1;
    z[i] = y[i]*2;
  }
}
