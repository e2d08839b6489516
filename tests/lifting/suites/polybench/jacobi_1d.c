void jacobi_1d(int n, double A[n], double B[n]) {
  int i;
  for (i = 1; i < n - 1; i++)
    B[i] = 0.33333 * (A[i - 1] + A[i] + A[i + 1]);
}
