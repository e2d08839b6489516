#include "include/gemmini_testutils.h"
void test(int8_t A[64][64], int8_t B[64][64], int8_t C[64][64]) {
  static const uint32_t ACC_BUF[2] = { (uint32_t)(1U << 31), (uint32_t)((1U << 31) + 512) };
  const uint32_t A_SP[2] = { 0, 4096 };
  const uint32_t B_SP[2] = { 2*4096, 3*4096 };
  config_st((64));
  config_ex(WEIGHT_STATIONARY, NO_ACTIVATION, 1, false, false);
  config_ld((64), 1.0f, 16, 2);
  config_ld((64), 1.0f, 16, 1);
  for (int_fast32_t ki = 0; ki < 2; ki++) mvin2((uint64_t)(&A[16 * ki][0]), A_SP[0] + 32 * ki, 32, 16);
  for (int_fast32_t ki = 0; ki < 2; ki++) mvin3((uint64_t)(&B[16 * ki][0]), B_SP[0] + 32 * ki, 32, 16);
  int cur = 0;
  for (int_fast32_t io = 0; io < 2; io++)
    for (int_fast32_t jo = 0; jo < 2; jo++) {
      uint32_t acc = ACC_BUF[(io * 2 + jo) & 1];
      for (int_fast32_t ko = 0; ko < 2; ko++) {
        int nxt = 1 - cur;
        int n_ko = ko + 1, n_jo = jo, n_io = io;
        if (n_ko == 2) { n_ko = 0; n_jo++; if (n_jo == 2) { n_jo = 0; n_io++; } }
        if (n_io < 2)
          for (int ki = 0; ki < 2; ki++) {
            mvin2((uint64_t)(&A[32 * n_io + 16 * ki][32 * n_ko]), A_SP[nxt] + 32 * ki, 32, 16);
            mvin3((uint64_t)(&B[32 * n_ko + 16 * ki][32 * n_jo]), B_SP[nxt] + 32 * ki, 32, 16);
          }
        for (int j = 0; j < 2; j++) for (int k = 0; k < 2; k++) for (int i = 0; i < 2; i++) {
          uint32_t c = acc + (i * 2 + j) * 16;
          if (ko > 0 || k > 0) c |= (1u << 30);
          preload(i == 0 ? B_SP[cur] + k * 32 + j * 16 : ~((uint32_t)0), c, 16, 16, 16, 16);
          if (i == 0) compute_preloaded(A_SP[cur] + i * 32 + k * 16, ~((uint32_t)0), 16, 16, 16, 16);
          else compute_accumulated(A_SP[cur] + i * 32 + k * 16, ~((uint32_t)0), 16, 16, 16, 16);
        }
        cur = nxt;
      }
      for (int i = 0; i < 2; i++) mvout((uint64_t)(&C[32 * io + 16 * i][32 * jo]), acc + i * 32, 32, 16);
    }
  fence();
}
