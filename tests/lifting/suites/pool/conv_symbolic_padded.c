void conv2d_same(int h, int w, const int x[h][w], const int k[3][3], int y[h][w]) {
  for (int i = 0; i < h; i++)
    for (int j = 0; j < w; j++) {
      int acc = 0;
      for (int u = 0; u < 3; u++)
        for (int v = 0; v < 3; v++) {
          int a = i + u - 1, b = j + v - 1;
          if (a < 0 || b < 0 || a >= h || b >= w) continue;
          acc += x[a][b] * k[u][v];
        }
      y[i][j] = acc;
    }
}
