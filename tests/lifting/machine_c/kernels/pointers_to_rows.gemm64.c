#include "include/gemmini.h"
static inline void mm_block(const elem_t (*A)[64], const elem_t (*B)[64], elem_t (*C)[64], int i0, int j0) {
  for (int k = 0; k < 64; k += DIM) {
    gemmini_mvin(&A[i0][k], 0);
    gemmini_mvin(&B[k][j0], 4096);
    gemmini_preload(4096, (k ? (1u << 30) : 0u) | (1u << 31));
    gemmini_compute_preloaded(0, GARBAGE_ADDR);
  }
  gemmini_mvout(&C[i0][j0], 1u << 31);
}
void kernel(const elem_t A[64][64], const elem_t B[64][64], elem_t C[64][64]) {
  gemmini_config_ex(WS, 0, 0);
  gemmini_config_ld(64);
  gemmini_config_st(64);
  for (int i0 = 0; i0 < 64; i0 += DIM)
    for (int j0 = 0; j0 < 64; j0 += DIM)
      mm_block(A, B, C, i0, j0);
  gemmini_fence();
}
