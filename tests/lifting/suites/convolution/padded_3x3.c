#define H 16
#define W 16
void conv_padded(int x[H][W], int k[3][3], int y[H][W]) {
  for (int i = 0; i < H; i++)
    for (int j = 0; j < W; j++) {
      int acc = 0;
      for (int r = 0; r < 3; r++)
        for (int s = 0; s < 3; s++) {
          int ii = i + r - 1;
          int jj = j + s - 1;
          if (ii >= 0 && ii < H && jj >= 0 && jj < W) acc += x[ii][jj] * k[r][s];
        }
      y[i][j] = acc;
    }
}
