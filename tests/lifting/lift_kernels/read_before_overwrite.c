#include <stdint.h>
#define N 12

void kernel(int32_t y[N], int32_t z[N]) {
  int32_t t = y[0];
  y[0] = 5;
  for (int i = 0; i < N; i++) z[i] = t;
}
