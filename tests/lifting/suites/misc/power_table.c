void squares(int *y, int n) {
  for (int i = 0; i < n; i++) y[i] = i * i + 3 * i - 1;
}
