#include <stdint.h>
#define N 12

void kernel(const uint32_t A[N], uint32_t y[1]) {
  uint32_t s = 1;
  for (int i = 0; i < N; i++) s *= A[i];
  y[0] = s;
}
