#define A 3
#define B 4
void kron(const int a[A][A], const int b[B][B], int c[A * B][A * B]) {
  for (int i = 0; i < A; i++)
    for (int j = 0; j < A; j++)
      for (int k = 0; k < B; k++)
        for (int l = 0; l < B; l++) c[i * B + k][j * B + l] = a[i][j] * b[k][l];
}
