void scal_cpu(int N, int ALPHA, int *X) {
  int i;
  for (i = 0; i < N; ++i) X[i] *= ALPHA;
}
