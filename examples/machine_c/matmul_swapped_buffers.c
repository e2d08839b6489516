// Two buffers for each operand, swapped after every step; the next tiles are loaded early.
#include "include/gemmini.h"

#define M 96
#define N 64
#define K 128

void matmul(const elem_t A[M][K], const elem_t B[K][N], elem_t C[M][N]) {
    gemmini_extended_config_ex(WEIGHT_STATIONARY, NO_ACTIVATION, 0, 1, false, false);
    gemmini_extended4_config_ld(K * sizeof(elem_t), MVIN_SCALE_IDENTITY, false, DIM, 0);
    gemmini_extended4_config_ld(N * sizeof(elem_t), MVIN_SCALE_IDENTITY, false, DIM, 1);
    gemmini_extended_config_st(N * sizeof(elem_t), NO_ACTIVATION, ACC_SCALE_IDENTITY);

    uint32_t a_now = 0, a_next = 2 * BANK_ROWS;
    uint32_t b_now = BANK_ROWS, b_next = 3 * BANK_ROWS;
    uint32_t c_now = 1u << 31, c_next = (1u << 31) | 512;

    for (size_t i = 0; i < M; i += DIM) {
        for (size_t j = 0; j < N; j += DIM) {
            gemmini_extended_mvin(&A[i][0], a_now, DIM, DIM);
            gemmini_extended_mvin2(&B[0][j], b_now, DIM, DIM);
            for (size_t k = 0; k < K; k += DIM) {
                if (k + DIM < K) {
                    gemmini_extended_mvin(&A[i][k + DIM], a_next, DIM, DIM);
                    gemmini_extended_mvin2(&B[k + DIM][j], b_next, DIM, DIM);
                }
                uint32_t target = k == 0 ? c_now : c_now | 1u << 30;
                gemmini_extended_preload(b_now, target, DIM, DIM, DIM, DIM);
                gemmini_extended_compute_preloaded(a_now, GARBAGE_ADDR, DIM, DIM, DIM, DIM);
                uint32_t tmp = a_now;
                a_now = a_next;
                a_next = tmp;
                tmp = b_now, b_now = b_next, b_next = tmp;
            }
            gemmini_extended_mvout(&C[i][j], c_now, DIM, DIM);
            uint32_t tmp = c_now;
            c_now = c_next;
            c_next = tmp;
        }
    }
    gemmini_fence();
}
