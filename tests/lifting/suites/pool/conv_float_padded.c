void conv2d(const float in[10][10], const float k[3][3], float out[10][10]) {
  for (int y = 0; y < 10; y++)
    for (int x = 0; x < 10; x++) {
      float acc = 0.0f;
      for (int i = -1; i <= 1; i++)
        for (int j = -1; j <= 1; j++)
          if (y + i >= 0 && y + i < 10 && x + j >= 0 && x + j < 10)
            acc += in[y + i][x + j] * k[i + 1][j + 1];
      out[y][x] = acc;
    }
}
