#include <stdint.h>
#define N 12

void kernel(const int32_t A[N], int32_t y[1]) {
  int32_t s = 0;
  for (int i = 0; i < N; i += 2) {
    s += A[i];
    s -= A[i+1];
  }
  y[0] = s;
}
