void fir(int input[1024], int output[1024], int coefficient[32]) {
  int i, j, sum;
  for (i = 0; i < 1024 - 32; ++i) {
    sum = 0;
    for (j = 0; j < 32; ++j)
      sum += input[i + j] * coefficient[j];
    output[i] = sum;
  }
}
