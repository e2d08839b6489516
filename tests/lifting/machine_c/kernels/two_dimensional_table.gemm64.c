#include "include/gemmini.h"
void kernel(elem_t A[64][64], elem_t B[64][64], elem_t C[64][64]) {
  static const uint32_t BUF[2][2] = {{0u, 4096u}, {8192u, 12288u}};
  gemmini_config_ex(WS, 0, 0); gemmini_config_ld(64); gemmini_config_st(64);
  bool phase = false;
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) {
      gemmini_extended_mvin(&A[i*16][0], BUF[phase][0], 64, 16);
      for (int k = 0; k < 4; ++k) gemmini_mvin(&B[k*16][j*16], BUF[phase][1] + k*16);
      for (int k = 0; k < 4; ++k) {
        gemmini_preload(BUF[phase][1] + 16*k, 0x80000000 | (phase ? 512 : 0) | (k > 0 ? 0x40000000 : 0));
        gemmini_compute_preloaded(BUF[phase][0] + 16*k, GARBAGE_ADDR);
      }
      gemmini_mvout(&C[i*16][j*16], 0x80000000 | (phase ? 512 : 0));
      phase = !phase;
    }
  }
  gemmini_fence();
}
