void mult_big(int A_ROW, int A_COL, int B_COL, int a_matrix[A_ROW][A_COL],
              int b_matrix[A_COL][B_COL], int c_matrix[A_ROW][B_COL]) {
  int i, j, k;
  for (i = 0; i < A_ROW; i++)
    for (j = 0; j < B_COL; j++) {
      int sum = 0;
      for (k = 0; k < A_COL; ++k)
        sum += a_matrix[i][k] * b_matrix[k][j];
      c_matrix[i][j] = sum;
    }
}
