// The buffer advances on some iterations only, so its address is carried by the loop.
#include "include/gemmini.h"

void matmul(const elem_t A[80][32], const elem_t B[32][16], elem_t C[80][16]) {
    config_ex(WEIGHT_STATIONARY, NO_ACTIVATION, 1, 0, 0);
    config_ld(32, 1.0, DIM, 0);
    config_ld(16, 1.0, DIM, 1);
    config_st(16);
    mvin2(&B[0][0], 4096, 16, 16);
    mvin2(&B[16][0], 4112, 16, 16);
    uint32_t a = 0;
    uint32_t c = 0x80000000;
    int loaded = 0;
    for (int i = 0; i < 5; i++) {
        if (i % 3 != 1) {
            a = a + 32;
            c += 16;
            loaded += 1;
        }
        mvin(&A[i * 16][0], a, 32, 16);
        for (int k = 0; k < 2; k++) {
            preload(4096 + k * 16, k ? c | 1u << 30 : c, 16, 16, 16, 16);
            compute_preloaded(a + k * 16, GARBAGE_ADDR, 16, 16, 16, 16);
        }
        mvout(&C[i * 16][0], c, 16, 16);
    }
    if (loaded > 100)
        mvout(&C[0][0], 0, 16, 16);
    fence();
}
