#include "include/gemmini.h"
#include "rocc-software/src/xcustom.h"
void kernel(elem_t A[64][64], elem_t B[64][64], elem_t C[64][64]) {
  gemmini_extended_config_ex(WEIGHT_STATIONARY, 0, 0, 1, false, false);
  gemmini_extended_config_st(64, 0, ACC_SCALE_IDENTITY);
  gemmini_extended3_config_ld(64, MVIN_SCALE_IDENTITY, false, 0);
  gemmini_extended3_config_ld(64, MVIN_SCALE_IDENTITY, false, 1);
  gemmini_extended3_config_ld(64, MVIN_SCALE_IDENTITY, false, 2);
  gemmini_loop_ws(4, 4, 4, 0, 0, 0, A, B, NULL, C, 64, 64, 64, 64, false, false, false, false, false, 0, 0, 0, false);
  asm volatile("fence");
}
