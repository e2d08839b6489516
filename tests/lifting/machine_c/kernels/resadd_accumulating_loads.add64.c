#include "include/gemmini.h"
void add(const elem_t A[64][64], const elem_t B[64][64], elem_t C[64][64]) {
  gemmini_config_ex(WS, NO_ACTIVATION, 0);
  gemmini_extended4_config_ld(64, 1.0, true, DIM, 0);
  gemmini_extended4_config_ld(64, 1.0, true, DIM, 1);
  gemmini_extended_config_st(64, NO_ACTIVATION, ACC_SCALE_IDENTITY);
  for (int i = 0; i < 64; i += DIM) {
    for (int j = 0; j < 64; j += DIM) gemmini_extended_mvin(&A[i][j], 0x80000000 + i * 4 + j, DIM, DIM);
    for (int j = 0; j < 64; j += DIM) gemmini_extended_mvin2(&B[i][j], 0xC0000000 + i * 4 + j, DIM, DIM);
    for (int j = 0; j < 64; j += DIM) gemmini_extended_mvout(&C[i][j], 0x80000000 + i * 4 + j, DIM, DIM);
  }
  gemmini_fence();
}
