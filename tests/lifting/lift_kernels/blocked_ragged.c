#include <stdint.h>
#define M 20
#define N 24
#define K 12

void kernel(const int8_t A[M][K], const int8_t B[K][N], int32_t C[M][N]) {
  for (int i = 0; i < M; i++) for (int j = 0; j < N; j++) C[i][j] = 0;
  for (int ii = 0; ii < M; ii += 5)
    for (int kk = 0; kk < K; kk += 5)
      for (int i = ii; i < (ii + 5 < M ? ii + 5 : M); i++)
        for (int j = 0; j < N; j++)
          for (int k = kk; k < (kk + 5 < K ? kk + 5 : K); k++)
            C[i][j] += A[i][k] * B[k][j];
}
