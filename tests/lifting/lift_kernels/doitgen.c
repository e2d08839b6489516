#include <stdint.h>
#define M 6
#define N 12
#define K 4

void kernel(int32_t A[M][K][N], const int32_t C4[N][N]) {
  for (int r = 0; r < M; r++) for (int q = 0; q < K; q++) {
    int32_t s[N];
    for (int p = 0; p < N; p++) {
      s[p] = 0;
      for (int t = 0; t < N; t++) s[p] += A[r][q][t]*C4[t][p];
    }
    for (int p = 0; p < N; p++) A[r][q][p] = s[p];
  }
}
