void axpy_cpu(int N, int ALPHA, int *X, int INCX, int *Y, int INCY) {
  int i;
  for (i = 0; i < N; ++i) Y[i * INCY] += ALPHA * X[i * INCX];
}
