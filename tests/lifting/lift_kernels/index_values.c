#include <stdint.h>
#define M 6
#define N 12

void kernel(int32_t C[M][N]) {
  for (int i = 0; i < M; i++) for (int j = 0; j < N; j++) C[i][j] = i*N+j;
}
