#define N 64
#define BS 8
void gemm_blocked(int A[N][N], int B[N][N], int C[N][N]) {
  for (int ii = 0; ii < N; ii += BS)
    for (int jj = 0; jj < N; jj += BS)
      for (int kk = 0; kk < N; kk += BS)
        for (int i = ii; i < ii + BS; i++)
          for (int j = jj; j < jj + BS; j++)
            for (int k = kk; k < kk + BS; k++) C[i][j] += A[i][k] * B[k][j];
}
