#define A(i, j) a[(i) + (j) * lda]
#define B(i, j) b[(i) + (j) * ldb]
#define C(i, j) c[(i) + (j) * ldc]
void dgemm(int m, int n, int k, const double *a, int lda, const double *b, int ldb, double *c, int ldc) {
  int i, j, p;
  for (i = 0; i < m; i++)
    for (j = 0; j < n; j++)
      for (p = 0; p < k; p++) C(i, j) = C(i, j) + A(i, p) * B(p, j);
}
