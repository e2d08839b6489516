void kernel_gemver(int n, int alpha, int beta, int A[n][n], int u1[n], int v1[n], int u2[n], int v2[n],
                   int w[n], int x[n], int y[n], int z[n]) {
  int i, j;
  for (i = 0; i < n; i++)
    for (j = 0; j < n; j++) A[i][j] = A[i][j] + u1[i] * v1[j] + u2[i] * v2[j];
  for (i = 0; i < n; i++)
    for (j = 0; j < n; j++) x[i] = x[i] + beta * A[j][i] * y[j];
  for (i = 0; i < n; i++) x[i] = x[i] + z[i];
  for (i = 0; i < n; i++)
    for (j = 0; j < n; j++) w[i] = w[i] + alpha * A[i][j] * x[j];
}
