void conv1x1(int n, int h, int w, int c, int f, int x[n][h][w][c], int k[c][f], int y[n][h][w][f]) {
  for (int b = 0; b < n; b++)
    for (int i = 0; i < h; i++)
      for (int j = 0; j < w; j++)
        for (int o = 0; o < f; o++) {
          int acc = 0;
          for (int q = 0; q < c; q++) acc += x[b][i][j][q] * k[q][o];
          y[b][i][j][o] = acc;
        }
}
