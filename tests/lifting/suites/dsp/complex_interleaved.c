void cmul_interleaved(const int *a, const int *b, int *c, int n) {
  for (int i = 0; i < n; i++) {
    int re = a[2 * i] * b[2 * i] - a[2 * i + 1] * b[2 * i + 1];
    int im = a[2 * i] * b[2 * i + 1] + a[2 * i + 1] * b[2 * i];
    c[2 * i] = re;
    c[2 * i + 1] = im;
  }
}
