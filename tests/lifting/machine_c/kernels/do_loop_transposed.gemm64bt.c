#include "include/gemmini.h"
void kernel(const elem_t A[64][64], const elem_t B[64][64], elem_t C[64][64]) {
  gemmini_extended_config_ex(WEIGHT_STATIONARY, NO_ACTIVATION, 0, 1, false, true);
  gemmini_extended3_config_ld(64 * sizeof(elem_t), MVIN_SCALE_IDENTITY, false, 0);
  gemmini_extended3_config_ld(64 * sizeof(elem_t), MVIN_SCALE_IDENTITY, false, 1);
  gemmini_extended_config_st(64 * sizeof(elem_t), NO_ACTIVATION, ACC_SCALE_IDENTITY);
  int tile = 0;
  for (int i = 0; i < 4; i++) gemmini_extended_mvin(&A[i * DIM][0], i * 64, 64, DIM);
  for (int i = 0; i < 4; i++) gemmini_extended_mvin2(&B[i * DIM][0], 8192 + i * 64, 64, DIM);
  do {
    const int i = tile / 4, j = tile % 4;
    const uint32_t acc = (1U << 31) | ((tile % 2) ? 512 : 0) | 16 * (tile / 2 % 8);
    for (int k = 0; k < 4; k++) {
      gemmini_extended_preload(8192 + j * 64 + k * DIM, acc | (k == 0 ? 0U : 1U << 30), DIM, DIM, DIM, DIM);
      gemmini_extended_compute_preloaded(i * 64 + k * DIM, GARBAGE_ADDR, DIM, DIM, DIM, DIM);
    }
    gemmini_extended_mvout(&C[i * DIM][j * DIM], acc, DIM, DIM);
  } while (++tile < 16);
  gemmini_fence();
}
