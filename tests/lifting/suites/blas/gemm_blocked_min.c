#define min(a, b) ((a) < (b) ? (a) : (b))
void gemm(int n, const int *A, const int *B, int *C) {
  for (int ii = 0; ii < n; ii += 16)
    for (int kk = 0; kk < n; kk += 16)
      for (int i = ii; i < min(ii + 16, n); i++)
        for (int k = kk; k < min(kk + 16, n); k++)
          for (int j = 0; j < n; j++) C[i * n + j] += A[i * n + k] * B[k * n + j];
}
