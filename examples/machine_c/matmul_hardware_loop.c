// The whole product in the hardware loop, in two halves of the rows.
#include "include/gemmini.h"

#define I_TILES 4
#define J_TILES 3
#define K_TILES 5

void matmul(const elem_t A[123][80], const elem_t B[80][40], elem_t C[123][40]) {
    gemmini_extended_config_ex(WEIGHT_STATIONARY, 0, 0, 1, false, false);
    gemmini_extended_config_st(40, RELU & 0, ACC_SCALE_IDENTITY);
    gemmini_extended3_config_ld(80, MVIN_SCALE_IDENTITY, false, 0);
    gemmini_extended3_config_ld(40, MVIN_SCALE_IDENTITY, false, 1);
    gemmini_extended3_config_ld(0, MVIN_SCALE_IDENTITY, false, 2);
    for (int half = 0; half < 2; half++) {
        int pad = half == 1 ? 2 * I_TILES * DIM - 123 : 0;
        gemmini_loop_ws(I_TILES, J_TILES, K_TILES, pad, J_TILES * DIM - 40, 0,
                        &A[half * I_TILES * DIM][0], &B[0][0], NULL,
                        &C[half * I_TILES * DIM][0], 80, 40, 0, 40, false, false, false, false,
                        false, NO_ACTIVATION, 0, 0, false);
    }
    gemmini_fence();
}
