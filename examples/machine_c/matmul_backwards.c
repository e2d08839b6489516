// Loops that run downwards, else-if chains, logical operators, bare scopes.
#include "include/gemmini.h"
#define N 48

void matmul(const elem_t A[N][N], const elem_t B[N][N], elem_t C[N][N])
{
    gemmini_flush(0);
    config_ex(WEIGHT_STATIONARY, NO_ACTIVATION, 0, 1, 0, 0);
    {
        const int row_bytes = N * (int)sizeof(A[0][0]);
        config_ld(row_bytes, 1.0, DIM, 0);
        config_ld(row_bytes, 1.0, DIM, 1);
        config_st(row_bytes);
    }
    int i, j, k;
    for (k = N / DIM - 1; k >= 0; k--) {
        for (i = N - DIM; i >= 0; i -= DIM) {
            uint32_t a;
            if (i == 0)
                a = 0;
            else if (i == DIM || i < DIM)
                a = 16;
            else
                a = 32;
            mvin(&A[i][k * DIM], a, DIM, DIM);
        }
        for (j = 2; j >= 0; --j) {
            mvin2(&B[k * DIM][j * DIM], 4096 + j * DIM, DIM, DIM);
            for (i = 0; i != 3; i++) {
                bool first = k == N / DIM - 1 && !(k != 2);
                uint32_t c = 0x80000000 | ((i * 3 + j) << 4);
                if (!first)
                    c |= 1 << 30;
                { preload(4096 + j * DIM, c, DIM, DIM, DIM, DIM); }
                compute_preloaded(i << 4, GARBAGE_ADDR, DIM, DIM, DIM, DIM);
            }
        }
    }
    for (i = 0; i < 3; i++)
        for (j = 0; j <= 2; j++)
            mvout(&C[i * DIM][j * DIM], 0x80000000 | ((i * 3 + j) << 4), DIM, DIM);
    fence();
}
