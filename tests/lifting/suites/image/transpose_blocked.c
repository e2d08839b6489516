#define N 32
#define B 8
void transpose(const int in[N][N], int out[N][N]) {
  for (int i = 0; i < N; i += B)
    for (int j = 0; j < N; j += B)
      for (int ii = 0; ii < B; ii++)
        for (int jj = 0; jj < B; jj++) out[j + jj][i + ii] = in[i + ii][j + jj];
}
