int dot_cpu(int N, int *X, int *Y) {
  int i;
  int dot = 0;
  for (i = 0; i < N; ++i) dot += X[i] * Y[i];
  return dot;
}
