/* The average counts only the cells that exist. */
#define H 10
#define W 12
void avg_pool(int in[H][W], int out[H][W]) {
  for (int y = 0; y < H; y++)
    for (int x = 0; x < W; x++) {
      int sum = 0, count = 0;
      for (int dy = -1; dy <= 1; dy++)
        for (int dx = -1; dx <= 1; dx++) {
          int yy = y + dy, xx = x + dx;
          if (yy >= 0 && yy < H && xx >= 0 && xx < W) {
            sum += in[yy][xx];
            count++;
          }
        }
      out[y][x] = sum / count;
    }
}
