#define W 32
static int clampi(int v, int lo, int hi) { return v < lo ? lo : (v > hi ? hi : v); }
void blur3(const int x[W], int y[W]) {
  for (int i = 0; i < W; i++) {
    int s = 0;
    for (int k = -1; k <= 1; k++) s += x[clampi(i + k, 0, W - 1)];
    y[i] = s / 3;
  }
}
