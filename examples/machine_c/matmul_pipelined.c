// Loads run one step ahead, and each finished block is stored while the next one is computed.
#include "include/gemmini.h"
#define SIZE 128
#define TILES (SIZE / DIM)

void matmul(elem_t A[SIZE][SIZE], elem_t B[SIZE][SIZE], elem_t C[SIZE][SIZE]) {
  config_ex(WEIGHT_STATIONARY, NO_ACTIVATION, 1, false, false);
  config_ld(SIZE, 1.0, DIM, 0);
  config_ld(SIZE, 1.0, DIM, 1);
  config_st(SIZE);

  int previous_i = 0, previous_j = 0;
  int stored = 0;
  uint32_t previous_acc = 0;
  for (int i = 0; i < TILES; i++) {
    for (int j = 0; j < TILES; j++) {
      int block = i * TILES + j;
      uint32_t acc = (1u << 31) + (block % 2) * 512;
      for (int k = 0; k < TILES; k += 4) {
        int phase = (k / 4 + block * 2) & 1;
        // 64 bytes of a row of A make four tiles at once.
        mvin(&A[i * DIM][k * DIM], phase * 64, 4 * DIM, DIM);
        for (int kk = 0; kk < 4; kk++)
          mvin2(&B[(k + kk) * DIM][j * DIM], 4096 + phase * 4096 + kk * DIM, DIM, DIM);
        for (int kk = 0; kk < 4; kk++) {
          preload(4096 + phase * 4096 + kk * DIM, acc | ((k + kk > 0) << 30), DIM, DIM, DIM, DIM);
          compute_preloaded(phase * 64 + kk * DIM, ~(uint32_t)0, DIM, DIM, DIM, DIM);
        }
      }
      if (!(i == 0 && j == 0)) {
        mvout(&C[previous_i * DIM][previous_j * DIM], previous_acc, DIM, DIM);
        stored++;
      }
      previous_i = i;
      previous_j = j;
      previous_acc = acc;
    }
  }
  mvout(&C[previous_i * DIM][previous_j * DIM], previous_acc, DIM, DIM);
  fence();
}
