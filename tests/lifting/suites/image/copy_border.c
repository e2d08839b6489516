#define H 10
#define W 12
void keep_border(const int in[H][W], int out[H][W]) {
  for (int y = 0; y < H; y++)
    for (int x = 0; x < W; x++) {
      if (y == 0 || x == 0 || y == H - 1 || x == W - 1) {
        out[y][x] = in[y][x];
        continue;
      }
      out[y][x] = (in[y - 1][x] + in[y + 1][x] + in[y][x - 1] + in[y][x + 1]) / 4;
    }
}
