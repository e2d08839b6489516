void rotate90(int n, const int in[n][n], int out[n][n]) {
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) out[j][n - 1 - i] = in[i][j];
}
