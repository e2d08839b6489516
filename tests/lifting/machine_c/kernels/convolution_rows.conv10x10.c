#include "include/gemmini.h"
#define BATCH 2
#define OH 8
#define OW 8
#define CI 32
#define CO 32
void conv(const elem_t in[BATCH][OH+2][OW+2][CI], const elem_t w[3][3][CI][CO], const acc_t bias[CO], elem_t out[BATCH][OH][OW][CO]) {
  gemmini_extended_config_ex(WEIGHT_STATIONARY, NO_ACTIVATION, 0, 1, false, false);
  gemmini_extended3_config_ld(CI * sizeof(elem_t), 1.0, false, 0);
  gemmini_extended3_config_ld(CO * sizeof(elem_t), 1.0, false, 1);
  gemmini_extended3_config_ld(0, 1.0, false, 2);
  gemmini_extended_config_st(CO * sizeof(elem_t), NO_ACTIVATION, 1.0);
  for (int r = 0; r < 3; r++) for (int s = 0; s < 3; s++) for (int c = 0; c < CI; c += DIM)
    gemmini_extended_mvin2(&w[r][s][c][0], 8192 + ((r * 3 + s) * 2 + c / DIM) * 2 * DIM, CO, DIM);
  for (int n = 0; n < BATCH; n++)
    for (int y = 0; y < OH; y++) {
      uint32_t acc = 0x80000000 + (y & 1) * 64;
      for (int co = 0; co < CO / DIM; co++)
        gemmini_extended_mvin3(&bias[co * DIM], acc + co * DIM, DIM, OW);
      for (int r = 0; r < 3; r++)
        gemmini_extended_mvin(&in[n][y + r][0][0], r * 32, CI, OW + 2);
      for (int r = 0; r < 3; r++) for (int s = 0; s < 3; s++) for (int ci = 0; ci < 2; ci++) for (int co = 0; co < 2; co++) {
        gemmini_extended_preload(8192 + (((r * 3 + s) * 2 + ci) * 2 + co) * DIM, (acc + co * DIM) | (1u << 30), DIM, DIM, DIM, OW);
        gemmini_extended_compute_preloaded(r * 32 + ci * DIM + s, GARBAGE_ADDR, DIM, OW, DIM, OW);
      }
      gemmini_extended_mvout(&out[n][y][0][0], acc, CO, OW);
    }
  gemmini_fence();
}
