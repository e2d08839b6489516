#include <stdint.h>
#define N 12

void kernel(const int32_t A[N], int32_t y[N - 3]) {
  for (int i = 0; i < N - 3; i++) {
    y[i] = 0;
    for (int k = 0; k < 4; k++) y[i] += A[i+k];
  }
}
