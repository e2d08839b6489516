#include <stdint.h>
#define N 12

void kernel(int32_t y[N], int32_t z[N]) {
  for (int i = 0; i < N; i++) {
    int32_t t = y[i];
    y[i] = z[i];
    z[i] = t;
  }
}
