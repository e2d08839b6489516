#define N 16
void upper(const int a[N][N], int b[N][N]) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) b[i][j] = j >= i ? a[i][j] : 0;
}
