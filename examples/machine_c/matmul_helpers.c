// Helper functions and macros around the instructions, and a bias that is loaded first.
#include "include/gemmini.h"

#define SIZE 64
#define SPAD_A(i, k) (((i) * TILES + (k)) * DIM)
#define SPAD_B(k, j) (2 * BANK_ROWS + ((k) * TILES + (j)) * DIM)

static const int TILES = SIZE / DIM;

static inline uint32_t accumulator(int i, int j) {
    return (uint32_t)1 << 31 | (uint32_t)((i * TILES + j) * DIM);
}

static inline int min_int(int a, int b) { return a < b ? a : b; }

static void load_tile(const elem_t source[][SIZE], int row, int col, uint32_t target) {
    gemmini_extended_mvin((uint64_t)&source[row][col], target, DIM, DIM);
}

void matmul(const elem_t A[SIZE][SIZE], const elem_t B[SIZE][SIZE], const acc_t D[SIZE][SIZE],
            elem_t C[SIZE][SIZE]) {
    gemmini_extended_config_ex(WS, NO_ACTIVATION, 0, 1, false, false);
    gemmini_extended3_config_ld(SIZE * sizeof(elem_t), MVIN_SCALE_IDENTITY, false, 0);
    gemmini_extended3_config_ld(SIZE * sizeof(acc_t), MVIN_SCALE_IDENTITY, false, 2);
    gemmini_extended_config_st(SIZE * sizeof(elem_t), NO_ACTIVATION, ACC_SCALE_IDENTITY);
    for (int row = 0; row < SIZE; row += DIM)
        for (int col = 0; col < SIZE; col += min_int(DIM, SIZE)) {
            load_tile(A, row, col, SPAD_A(row / DIM, col / DIM));
            load_tile(B, row, col, SPAD_B(row / DIM, col / DIM));
            gemmini_extended_mvin3(&D[row][col], accumulator(row / DIM, col / DIM), DIM, DIM);
        }
    for (int i = 0; i < TILES; i++)
        for (int j = 0; j < TILES; j++) {
            for (int k = 0; k < TILES; k++) {
                gemmini_extended_preload(SPAD_B(k, j), accumulator(i, j) | 1u << 30,
                                         DIM, DIM, DIM, DIM);
                gemmini_extended_compute_preloaded(SPAD_A(i, k), GARBAGE_ADDR, DIM, DIM, DIM, DIM);
            }
            gemmini_extended_mvout(&C[i * DIM][j * DIM], accumulator(i, j), DIM, DIM);
        }
    gemmini_fence();
}
