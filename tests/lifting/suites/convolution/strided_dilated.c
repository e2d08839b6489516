void conv_strided(int x[37][37], int k[3][3], int y[16][16]) {
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 16; j++) {
      y[i][j] = 0;
      for (int r = 0; r < 3; r++)
        for (int s = 0; s < 3; s++) y[i][j] += x[2 * i + 2 * r][2 * j + 2 * s] * k[r][s];
    }
}
