#include <stdint.h>
#define M 6
#define N 12

void kernel(const int32_t A[M][N], const int32_t p[N], const int32_t r[M], int32_t q[M], int32_t s[N]) {
  for (int j = 0; j < N; j++) s[j] = 0;
  for (int i = 0; i < M; i++) {
    q[i] = 0;
    for (int j = 0; j < N; j++) {
      s[j] += r[i]*A[i][j];
      q[i] += A[i][j]*p[j];
    }
  }
}
