#include <stdint.h>
void gemm_s8(const int8_t *A, const int8_t *B, int32_t *C, int M, int N, int K, int32_t alpha, int32_t beta) {
  for (int i = 0; i < M; i++) {
    for (int j = 0; j < N; j++) {
      int32_t sum = 0;
      for (int k = 0; k < K; k++) {
        sum += (int32_t)A[i * K + k] * (int32_t)B[k * N + j];
      }
      C[i * N + j] = alpha * sum + beta * C[i * N + j];
    }
  }
}
