#define N 20
void dilated(const int x[N][N], const int k[3][3], int y[N][N]) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      y[i][j] = 0;
      for (int u = 0; u < 3; u++)
        for (int v = 0; v < 3; v++) {
          int a = i + 2 * u - 2, b = j + 2 * v - 2;
          if (a >= 0 && a < N && b >= 0 && b < N) y[i][j] += x[a][b] * k[u][v];
        }
    }
}
