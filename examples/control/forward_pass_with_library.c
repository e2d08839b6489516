// The forward pass as a user of the library writes it: products by calls, the rest by the core.
// It is equal to forward_pass.c: liftproof validate --config gemmini-4x4-fp32.
#include "include/gemmini.h"
static void negate(float *out, const float *in, int n) {
  for (int i = 0; i < n; i++) out[i] = -in[i];
}
static void subtract(const float *a, const float *b, float *out, int rows, int cols) {
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < cols; j++) out[i * cols + j] = a[i * cols + j] - b[i * cols + j];
}
static void product(const float *M, int rows, int cols, const float *v, float *out) {
  tiled_matmul_auto(rows, 1, cols, M, v, NULL, out, cols, 1, 1, 1, 1.0, 1.0, 1.0,
                    NO_ACTIVATION, 1.0, 0, false, false, false, false, false, 0, WS);
  gemmini_fence();
}
void forward_pass(const float K[4][12], const float A[12][12], const float B[12][4],
                  const float d[5][4], float x[6][12], float u[5][4]) {
  static float Kx[4], Ax[12], Bu[12];
  for (int t = 0; t < 5; t++) {
    product(&K[0][0], 4, 12, x[t], Kx);
    negate(Kx, Kx, 4);
    subtract(Kx, d[t], u[t], 4, 1);
    product(&A[0][0], 12, 12, x[t], Ax);
    product(&B[0][0], 12, 4, u[t], Bu);
    float *next = x[t + 1];
    for (int j = 0; j < 12; j++) next[j] = Ax[j] + Bu[j];
  }
}
