#define IC 3
#define OC 8
#define H 10
#define W 10
#define K 3
void conv_nchw(const float in[IC][H][W], const float w[OC][IC][K][K], const float b[OC], float out[OC][H - K + 1][W - K + 1]) {
  for (int o = 0; o < OC; o++)
    for (int y = 0; y < H - K + 1; y++)
      for (int x = 0; x < W - K + 1; x++) {
        float acc = b[o];
        for (int c = 0; c < IC; c++)
          for (int i = 0; i < K; i++)
            for (int j = 0; j < K; j++) acc += in[c][y + i][x + j] * w[o][c][i][j];
        out[o][y][x] = acc;
      }
}
