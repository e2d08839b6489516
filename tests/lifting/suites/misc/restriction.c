#define N 8
void restriction(const double fine[2 * N][2 * N], double coarse[N][N]) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++)
      coarse[i][j] = 0.25 * (fine[2 * i][2 * j] + fine[2 * i + 1][2 * j] + fine[2 * i][2 * j + 1] + fine[2 * i + 1][2 * j + 1]);
}
