#include <stdint.h>
#define N 12

void kernel(const int32_t A[N], int32_t y[N / 2]) {
  for (int i = 0; i < N / 2; i++) y[i]= A[2*i] > A[2*i+1]?A[2*i]:A[2*i+1];
}
