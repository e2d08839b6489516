#include "include/gemmini.h"
static void sp_tiled(const elem_t * A, const elem_t * B, elem_t * C, size_t I, size_t J, size_t K,
    size_t pad_I, size_t pad_J, size_t pad_K, size_t A_row_stride, size_t B_row_stride, size_t C_row_stride) {
  const uint32_t A_sp_addr_start = 0;
  const uint32_t B_sp_addr_start = BANK_NUM * BANK_ROWS - K * J * DIM;
  const uint32_t C_sp_addr_start = 3 << (ADDR_LEN-2);
  const int A_blocks = K <= MAX_BLOCK_LEN ? K : MAX_BLOCK_LEN;
  const int B_blocks = J <= MAX_BLOCK_LEN ? J : MAX_BLOCK_LEN;
  for (size_t k = 0; k < K; k++) {
    for (size_t j = 0; j < J; j++) {
      for (size_t i = 0; i < I; i++) {
        const uint32_t A_sp_addr = A_sp_addr_start + (i*K + k)*DIM;
        const uint32_t B_sp_addr = B_sp_addr_start + (k*J + j)*DIM;
        const uint32_t C_sp_addr = C_sp_addr_start + (i*J + j)*DIM;
        // Mvin A
        if (j == 0 && k % A_blocks == 0) {
          const elem_t * const A_dram_addr = A + (i*A_row_stride + k)*DIM;
          const size_t blocks = k + A_blocks <= K ? A_blocks : K-k;
          const size_t cols = blocks * DIM - (k + blocks >= K ? pad_K : 0);
          const size_t rows = DIM - (i == I-1 ? pad_I : 0);
          gemmini_extended_mvin(A_dram_addr, A_sp_addr, cols, rows);
        }
        if (i == 0 && j % B_blocks == 0) {
          const elem_t * const B_dram_addr = B + (k*B_row_stride + j)*DIM;
          const size_t blocks = j + B_blocks <= J ? B_blocks : J-j;
          const size_t cols = blocks * DIM - (j + blocks >= J ? pad_J : 0);
          const size_t rows = DIM - (k == K-1 ? pad_K : 0);
          gemmini_extended_mvin2(B_dram_addr, B_sp_addr, cols, rows);
        }
        {
          uint32_t pre_sp_addr = i == 0 ? B_sp_addr : GARBAGE_ADDR;
          uint32_t out_sp_addr = C_sp_addr;
          if (k == 0) out_sp_addr &= ~(1 << (ADDR_LEN-2));
          const size_t A_cols = DIM - (k == K - 1 ? pad_K : 0);
          const size_t A_rows = DIM - (i == I - 1 ? pad_I : 0);
          const size_t B_cols = DIM - (j == J - 1 ? pad_J : 0);
          const size_t B_rows = DIM - (k == K - 1 ? pad_K : 0);
          const size_t C_cols = DIM - (j == J - 1 ? pad_J : 0);
          const size_t C_rows = DIM - (i == I - 1 ? pad_I : 0);
          gemmini_extended_preload(pre_sp_addr, out_sp_addr, B_cols, B_rows, C_cols, C_rows);
          if (i == 0) {
            gemmini_extended_compute_preloaded(A_sp_addr, GARBAGE_ADDR, A_cols, A_rows, DIM, DIM);
          } else {
            gemmini_extended_compute_accumulated(A_sp_addr, GARBAGE_ADDR, A_cols, A_rows, DIM, DIM);
          }
        }
        if (k == K-1) {
          elem_t * const C_dram_addr = C + (i*C_row_stride + j)*DIM;
          const size_t C_cols = DIM - (j == J - 1 ? pad_J : 0);
          const size_t C_rows = DIM - (i == I - 1 ? pad_I : 0);
          gemmini_extended_mvout(C_dram_addr, C_sp_addr & ~(1 << (ADDR_LEN-2)), C_cols, C_rows);
        }
      }
    }
  }
}
void kernel(elem_t A[64][64], elem_t B[64][64], elem_t C[64][64]) {
  gemmini_extended_config_ex(WEIGHT_STATIONARY, 0, 0, 1, false, false);
  gemmini_extended_config_st(64 * sizeof(elem_t), 0, ACC_SCALE_IDENTITY);
  gemmini_extended3_config_ld(64 * sizeof(elem_t), MVIN_SCALE_IDENTITY, false, 0);
  gemmini_extended3_config_ld(64 * sizeof(elem_t), MVIN_SCALE_IDENTITY, false, 1);
  const size_t tile_I = 2, tile_J = 2, tile_K = 4;
  for (size_t i0 = 0; i0 < 2; i0++)
    for (size_t j0 = 0; j0 < 2; j0++)
      sp_tiled((elem_t*)A + i0*tile_I*DIM*64, (elem_t*)B + j0*tile_J*DIM, (elem_t*)C + (i0*tile_I*64 + j0*tile_J)*DIM,
               tile_I, tile_J, tile_K, 0, 0, 0, 64, 64, 64);
  gemmini_fence();
}
