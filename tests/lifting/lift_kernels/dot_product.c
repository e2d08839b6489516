#include <stdint.h>
#define N 12

void kernel(const int32_t A[N], const int32_t B[N], int32_t y[1]) {
  int32_t s = 0;
  for (int i = 0; i < N; i++) s += A[i]*B[i];
  y[0] = s;
}
