#include "include/gemmini.h"
void kernel(int8_t A[128][128], int8_t B[128][128], int8_t C[128][128]) {
  config_ex(WEIGHT_STATIONARY, NO_ACTIVATION, 1, false, false);
  config_st(128, 1.0);
  config_ld(128, 1.0, 16, 0); config_ld(128, 1.0, 16, 1);
  uint32_t b_base = 0x2000, prev_c = 0, next_row = 0;
  bool have_prev = false;
  for (int jo = 0; jo < 128; jo += 64) {
    for (int k = 0; k < 128; k += 16) mvin2(&B[k][jo], b_base + k * 4, 64, 16);
    for (int io = 0; io < 128; io += 64) {
      for (int ii = 0; ii < 64; ii += 16) {
        mvin(&A[io + ii][0], ii * 8, 64, 16);
        mvin(&A[io + ii][64], ii * 8 + 64, 64, 16);
      }
      const uint32_t acc = (1u << 31) + ((io / 64) ^ (jo / 64)) * 256;
      for (int k = 0; k < 128; k += 16)
        for (int jj = 0; jj < 64; jj += 16) {
          uint32_t w = b_base + k * 4 + jj;
          for (int ii = 0; ii < 64; ii += 16) {
            preload(ii == 0 ? w : 0xffffffff, (acc + (ii / 16) * 64 + jj) | (k > 0 ? 1u << 30 : 0), 16, 16, 16, 16);
            if (ii == 0) compute_preloaded(ii * 8 + k, 0xffffffff, 16, 16, 16, 16);
            else compute_accumulated(ii * 8 + k, 0xffffffff, 16, 16, 16, 16);
          }
        }
      for (int ii = 0; ii < 64; ii += 16) mvout(&C[io + ii][jo], acc + (ii / 16) * 64, 64, 16);
    }
    b_base ^= 0x1000;
  }
  fence();
}
