#include "include/gemmini.h"
void kernel(elem_t A[32][32], elem_t B[32][32], elem_t C[32][32]) {
  gemmini_config_ex(OUTPUT_STATIONARY, NO_ACTIVATION, 0);
  gemmini_config_ld(32); gemmini_config_st(32);
  for (int i = 0; i < 2; i++) for (int j = 0; j < 2; j++) {
      gemmini_mvin(&A[i*DIM][j*DIM], (i*2+j)*DIM);
      gemmini_mvin(&B[i*DIM][j*DIM], BANK_ROWS + (i*2+j)*DIM);
  }
  for (int i = 0; i < 2; i++) for (int j = 0; j < 2; j++) {
      uint32_t c = 2*BANK_ROWS + (i*2+j)*DIM;
      gemmini_preload_zeros(GARBAGE_ADDR);
      gemmini_compute_preloaded(i*2*DIM, BANK_ROWS + j*DIM);
      gemmini_preload(GARBAGE_ADDR, c);
      gemmini_compute_accumulated((i*2+1)*DIM, BANK_ROWS + (2+j)*DIM);
      gemmini_mvout(&C[i*DIM][j*DIM], c);
  }
  gemmini_fence();
}
