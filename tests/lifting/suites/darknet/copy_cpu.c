void copy_cpu(int N, int *X, int *Y) {
  int i;
  for (i = 0; i < N; ++i) Y[i] = X[i];
}
