void gemm(int **A, int **B, int **C, int n, int m, int p) {
  int i, j, k;
  for (i = 0; i < n; i++)
    for (j = 0; j < m; j++) {
      C[i][j] = 0;
      for (k = 0; k < p; k++)
        C[i][j] += A[i][k] * B[k][j];
    }
}
