#include "include/gemmini.h"
void kernel(const elem_t A[64][64], const elem_t B[64][64], elem_t C[64][64]) {
  gemmini_extended_config_ex(WS, 0, 0, 1, 0, 0);
  gemmini_extended4_config_ld(64, 1.0, false, 16, 0);
  gemmini_extended4_config_ld(64, 1.0, false, 16, 1);
  gemmini_extended_config_st(64, 0, 1.0);
  uint32_t a_cur = 0, a_next = 256, c_cur = 0x80000000, c_prev = 0x80000000 + 512;
  for (int k = 0; k < 4; k++) gemmini_extended_mvin2(&B[k*16][0], 8192 + k*64, 64, 16);
  gemmini_extended_mvin(&A[0][0], a_cur, 64, 16);
  for (int i = 0; i < 4; i++) {
    if (i + 1 < 4) gemmini_extended_mvin(&A[(i+1)*16][0], a_next, 64, 16);
    for (int j = 0; j < 4; j++) {
      for (int k = 0; k < 4; k++) {
        const uint32_t c = c_cur + j*16 + ((k > 0) ? (1u << 30) : 0u);
        gemmini_extended_preload(8192 + k*64 + j*16, c, 16, 16, 16, 16);
        gemmini_extended_compute_preloaded(a_cur + k*16, GARBAGE_ADDR, 16, 16, 16, 16);
      }
    }
    if (i > 0) gemmini_extended_mvout(&C[(i-1)*16][0], c_prev, 64, 16);
    uint32_t t = a_cur; a_cur = a_next; a_next = t;
    t = c_cur; c_cur = c_prev; c_prev = t;
  }
  gemmini_extended_mvout(&C[48][0], c_prev, 64, 16);
  gemmini_fence();
}
