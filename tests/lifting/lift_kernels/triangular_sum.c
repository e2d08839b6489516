#include <stdint.h>
#define N 12
void kernel(const int32_t A[N][N], int32_t y[N]) {
  for (int i = 0; i < N; i++) {
    int32_t s = 0;
    for (int j = 0; j <= i; j++) s += A[i][j];
    y[i] = s;
  }
}
