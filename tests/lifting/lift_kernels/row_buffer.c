#include <stdint.h>
#define M 20
#define N 24
#define K 12

void kernel(const int8_t A[M][K], const int8_t B[K][N], int8_t C[M][N]) {
  for (int i = 0; i < M; i++) {
    int32_t row[N];
    for (int j = 0; j < N; j++) row[j] = 0;
    for (int k = 0; k < K; k++)
      for (int j = 0; j < N; j++)
        row[j] += A[i][k] * B[k][j];
    for (int j = 0; j < N; j++)
      C[i][j] = row[j] > 127 ? 127 : row[j] < -128 ? -128 : row[j];
  }
}
