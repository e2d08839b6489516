#define N 30
void stencil(const double a[N][N], double b[N][N], double c0, double c1) {
  for (int i = 1; i < N - 1; i++)
    for (int j = 1; j < N - 1; j++)
      b[i][j] = c0 * a[i][j] + c1 * (a[i - 1][j] + a[i + 1][j] + a[i][j - 1] + a[i][j + 1]);
}
