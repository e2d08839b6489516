#include <stdint.h>
#define M 20
#define N 24

void kernel(const int32_t A[M][N], const int32_t B[M][N], int32_t C[M][N]) {
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) C[i][j] = A[i][j] > B[i][j] ? A[i][j] - B[i][j] : 32 - B[i][j];
}
