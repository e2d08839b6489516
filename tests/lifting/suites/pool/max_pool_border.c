/* 3x3 max pooling, stride 2, one cell of border. */
#define H 14
#define W 14
#define C 4
#define OH 7
#define OW 7
void max_pool(const float in[H][W][C], float out[OH][OW][C]) {
  for (int y = 0; y < OH; y++)
    for (int x = 0; x < OW; x++)
      for (int c = 0; c < C; c++) {
        float best = -3.402823466e+38f;
        for (int ky = 0; ky < 3; ky++)
          for (int kx = 0; kx < 3; kx++) {
            int iy = 2 * y + ky - 1;
            int ix = 2 * x + kx - 1;
            if (iy < 0 || iy >= H || ix < 0 || ix >= W) continue;
            if (in[iy][ix][c] > best) best = in[iy][ix][c];
          }
        out[y][x][c] = best;
      }
}
