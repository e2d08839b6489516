#define SIZE 2
#define STRIDE 2
void max_pool(int in[8][32][32], int out[8][16][16]) {
  int c, i, j, n, m;
  for (c = 0; c < 8; ++c) {
    for (i = 0; i < 16; ++i) {
      for (j = 0; j < 16; ++j) {
        int max = -2147483647;
        for (n = 0; n < SIZE; ++n) {
          for (m = 0; m < SIZE; ++m) {
            int val = in[c][i * STRIDE + n][j * STRIDE + m];
            max = (val > max) ? val : max;
          }
        }
        out[c][i][j] = max;
      }
    }
  }
}
