#include "gemmini.h"
#define N 64
void matmul(const elem_t A[N][N], const elem_t B[N][N], elem_t C[N][N]) {
  config_ex(WEIGHT_STATIONARY, NO_ACTIVATION, 1, false, false);
  config_ld(N * sizeof(elem_t), 1.0, DIM, 0);
  config_ld(N, 1.0f, DIM, 1);
  config_st(N);
  uint32_t a_sp = 0, b_sp = BANK_ROWS, acc = 1 << 31;
  int phase = 0;
  for (int i = 0; i < N; i += DIM) {
    for (int j = 0; j < N; j += DIM) {
      for (int k = 0; k < N; k += DIM) {
         uint32_t a = a_sp + phase * 16;
         mvin((uint64_t)&A[i][k], a, 16, 16);
         mvin2(&B[k][j], b_sp + phase*DIM, 16, 16);
         preload(b_sp + phase*DIM, acc | ((k > 0) << 30), 16, 16, 16, 16);
         compute_preloaded(a, GARBAGE_ADDR, 16,16,16,16);
         phase = !phase;
      }
      mvout(&C[i][j], acc, 16, 16);
    }
  }
  fence();
}
