#include <stdint.h>
#define N 12

void kernel(int32_t y[N]) {
  for (int i = 0; i < N; i++) {
    y[i] = y[i]*y[i];
    y[i] = y[i]*y[i];
  }
}
