void depthwise(int c, int h, int w, int x[c][h + 2][w + 2], int k[c][3][3], int y[c][h][w]) {
  for (int ch = 0; ch < c; ch++)
    for (int i = 0; i < h; i++)
      for (int j = 0; j < w; j++) {
        int acc = 0;
        for (int r = 0; r < 3; r++)
          for (int s = 0; s < 3; s++) acc += x[ch][i + r][j + s] * k[ch][r][s];
        y[ch][i][j] = acc;
      }
}
