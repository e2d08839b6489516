void conv3x3(int x[4][18][18][8], int k[3][3][8][16], int y[4][16][16][16]) {
  for (int b = 0; b < 4; b++)
    for (int i = 0; i < 16; i++)
      for (int j = 0; j < 16; j++)
        for (int o = 0; o < 16; o++) {
          int acc = 0;
          for (int r = 0; r < 3; r++)
            for (int s = 0; s < 3; s++)
              for (int q = 0; q < 8; q++) acc += x[b][i + r][j + s][q] * k[r][s][q][o];
          y[b][i][j][o] = acc;
        }
}
