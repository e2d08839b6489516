/* 2x2 max pooling of an image whose rows are twice as long as those of the result. */
void max_pool(const int *image, int *out, int rows, int cols) {
  int width = 2 * cols;
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < cols; j++) {
      int best = image[2 * i * width + 2 * j];
      if (image[2 * i * width + 2 * j + 1] > best) best = image[2 * i * width + 2 * j + 1];
      if (image[(2 * i + 1) * width + 2 * j] > best) best = image[(2 * i + 1) * width + 2 * j];
      if (image[(2 * i + 1) * width + 2 * j + 1] > best) best = image[(2 * i + 1) * width + 2 * j + 1];
      out[i * cols + j] = best;
    }
  }
}
