void crop(const int *src, int src_w, int x0, int y0, int *dst, int w, int h) {
  for (int y = 0; y < h; y++)
    for (int x = 0; x < w; x++) dst[y * w + x] = src[(y + y0) * src_w + x + x0];
}
