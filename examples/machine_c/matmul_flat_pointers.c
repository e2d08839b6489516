// Arrays as one line of memory: addresses by hand, pointers that advance, byte addresses.
#include "include/gemmini.h"

enum { M = 48, N = 80, K = 64 };

void matmul(const elem_t A[M * K], const elem_t B[K * N], acc_t C[M * N]) {
    gemmini_config_ex(WEIGHT_STATIONARY, NO_ACTIVATION, 0);
    gemmini_config_ld(K * sizeof(elem_t));
    gemmini_extended3_config_ld(N * sizeof(elem_t), 1.0, false, 1);
    gemmini_config_st(N * sizeof(acc_t));
    const uint32_t sp_a = 0, sp_b = 8192, acc = 0x80000000;
    const elem_t *a_rows = A;
    uint64_t c_rows = (uint64_t)C;
    for (int i = 0; i < M / DIM; i++) {
        for (int j = 0; j < N; j += DIM) {
            const elem_t *a = a_rows;
            const elem_t *b = B + j;
            for (int k = 0; k < K; k += DIM) {
                gemmini_mvin(a, sp_a);
                gemmini_extended_mvin2(b, sp_b, 16, 16);
                if (k == 0)
                    gemmini_preload(sp_b, acc);
                else
                    gemmini_preload(sp_b, acc | (1 << 30));
                gemmini_compute_preloaded(sp_a, GARBAGE_ADDR);
                a += DIM;
                b += DIM * N;
            }
            gemmini_mvout(c_rows + j * sizeof(acc_t), acc | (1 << 29));
        }
        a_rows += DIM * K;
        c_rows += DIM * N * sizeof(acc_t);
    }
    gemmini_fence();
}
