#include <stdint.h>
#define N 12

void kernel(const int32_t A[N], int32_t y[N]) {
  for (int i = 0; i < N; i++) y[i] = 0;
  for (int i = 1; i < N - 1; i++) y[i] = A[i-1]+A[i]+A[i+1];
}
