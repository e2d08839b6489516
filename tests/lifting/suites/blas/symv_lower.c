#define N 20
void symv(const int A[N][N], const int x[N], int y[N]) {
  for (int i = 0; i < N; i++) {
    int s = 0;
    for (int j = 0; j <= i; j++) s += A[i][j] * x[j];
    for (int j = i + 1; j < N; j++) s += A[j][i] * x[j];
    y[i] = s;
  }
}
