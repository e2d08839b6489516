#define H 12
#define W 16
void gradient_x(const int in[H * W], int out[H * W]) {
  for (int i = 0; i < H * W; i++) {
    int y = i / W, x = i % W;
    out[i] = x + 1 < W ? in[y * W + x + 1] - in[i] : 0;
  }
}
