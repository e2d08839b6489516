// 14 output rows per tile, so that 28 rows need no rest; rows of the accumulator lie 14 apart.
#include "include/gemmini.h"

#define ROWS 14
#define ACC(tile) ((uint32_t)(0x80000000u + ROWS * (tile)))

void matmul(const elem_t A[28][40], const elem_t B[40][60], elem_t C[28][60]) {
    config_ex(WEIGHT_STATIONARY, NO_ACTIVATION, 1, false, false);
    config_st(60);
    config_ld(40, 1.0f, DIM, 0);
    config_ld(60, 1.0f, DIM, 1);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 3; k++)
            mvin(&A[i * ROWS][k * DIM], (i * 3 + k) * ROWS, k < 2 ? DIM : 8, ROWS);
    for (int k = 0; k < 3; k++)
        mvin2(&B[k * DIM][0], BANK_ROWS + 4 * DIM * k, 60, k == 2 ? 8 : DIM);
    for (int j = 0; j < 4; j++) {
        int cols = j == 3 ? 12 : DIM;
        for (int k = 0; k < 3; k++) {
            int depth = k == 2 ? 8 : DIM;
            for (int i = 0; i < 2; i++) {
                uint32_t c = ACC(2 * j + i) | (k > 0 ? 1 << 30 : 0);
                if (i == 0) {
                    preload(BANK_ROWS + 4 * DIM * k + DIM * j, c, cols, depth, cols, ROWS);
                    compute_preloaded((i * 3 + k) * ROWS, GARBAGE_ADDR, depth, ROWS, DIM, DIM);
                } else {
                    preload(GARBAGE_ADDR, c, cols, depth, cols, ROWS);
                    compute_accumulated((i * 3 + k) * ROWS, GARBAGE_ADDR, depth, ROWS, DIM, DIM);
                }
            }
        }
        for (int i = 0; i < 2; i++)
            mvout(&C[i * ROWS][j * DIM], ACC(2 * j + i), cols, ROWS);
    }
    fence();
}
