#include "gemmini.h"
#define ACC(row) ((uint32_t)1 << 31 | (uint32_t)(row))
void kernel(int8_t A[17][16], int8_t B[16][16], int8_t C[17][16]) {
    gemmini_extended4_config_ld(16, 1.0f, false, 16, 0);
    gemmini_extended_config_ex(WEIGHT_STATIONARY, NO_ACTIVATION, 0, 1, 0, 0);
    gemmini_extended_config_st(16, NO_ACTIVATION, 1.0f);
    gemmini_extended_mvin(&B[0][0], 64, 16, 16);
    for (int i = 0; i < 2; i++) {
        const int rows = i == 0 ? 16 : 1;
        gemmini_extended_mvin(&A[i * 16][0], i * 16, 16, rows);
        gemmini_extended_preload(64, ACC(i * 16), 16, 16, 16, rows);
        gemmini_extended_compute_preloaded(i * 16, 0xFFFFFFFF, 16, rows, 16, rows);
        gemmini_extended_mvout(&C[i * 16][0], ACC(i * 16), 16, rows);
    }
    gemmini_fence();
}
