void kernel_mvt(int n, int x1[n], int x2[n], int y_1[n], int y_2[n], int A[n][n]) {
  int i, j;
  for (i = 0; i < n; i++)
    for (j = 0; j < n; j++) x1[i] = x1[i] + A[i][j] * y_1[j];
  for (i = 0; i < n; i++)
    for (j = 0; j < n; j++) x2[i] = x2[i] + A[j][i] * y_2[j];
}
