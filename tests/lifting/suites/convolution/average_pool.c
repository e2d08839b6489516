void average_pool(int c, int h, int w, int x[c][2 * h][2 * w], int y[c][h][w]) {
  for (int ch = 0; ch < c; ch++)
    for (int i = 0; i < h; i++)
      for (int j = 0; j < w; j++) {
        int total = 0;
        for (int r = 0; r < 2; r++)
          for (int s = 0; s < 2; s++) total += x[ch][2 * i + r][2 * j + s];
        y[ch][i][j] = total / 4;
      }
}
