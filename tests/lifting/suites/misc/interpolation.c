#define N 8
void interpolation(const double coarse[N][N], double fine[2 * N][2 * N]) {
  for (int i = 0; i < 2 * N; i++)
    for (int j = 0; j < 2 * N; j++) fine[i][j] += coarse[i >> 1][j >> 1];
}
