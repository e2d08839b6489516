void matmul_sca(int* m, int s, int n) {
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      m[i * n + j] *= s;
}
