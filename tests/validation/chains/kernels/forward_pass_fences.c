/* As a careful author writes it by hand: matrices loaded once and kept in the scratchpad, one
   function per product, results through the accumulator to memory, a fence before they are used. */
#include "include/gemmini.h"
#define NX 12
#define NU 4
#define N 5
#define AK(k) (4*(k))
#define AA(i,k) (16 + 4*((i)*3+(k)))
#define AB(i) (64 + 4*(i))
#define XS(k) (4096 + 4*(k))
#define US (8192)
#define ACC(i) (0x80000000 + 4*(i))
void forward_pass(const float K[NU][NX], const float A[NX][NX], const float B[NX][NU],
                  const float d[N][NU], float x[N + 1][NX], float u[N][NU]) {
  gemmini_extended_config_ex(WS, 0, 0, 1, false, false);
  gemmini_extended4_config_ld(4, 1.0, false, 4, 0);
  gemmini_extended4_config_ld(48, 1.0, false, 4, 2);
  gemmini_extended_mvin3(&K[0][0], AK(0), 12, 4);
  for (int i = 0; i < 3; i++) gemmini_extended_mvin3(&A[4*i][0], AA(i,0), 12, 4);
  gemmini_extended4_config_ld(16, 1.0, false, 4, 2);
  for (int i = 0; i < 3; i++) gemmini_extended_mvin3(&B[4*i][0], AB(i), 4, 4);
  for (int t = 0; t < N; t++) {
    for (int k = 0; k < 3; k++) gemmini_extended_mvin(&x[t][4*k], XS(k), 1, 4);
    gemmini_extended_mvin(&d[t][0], ACC(0), 1, 4);
    for (int k = 0; k < 3; k++) {
      gemmini_extended_preload(XS(k), ACC(0) | 1 << 30, 1, 4, 1, 4);
      gemmini_extended_compute_preloaded(AK(k), GARBAGE_ADDR, 4, 4, 1, 4);
    }
    gemmini_extended_config_st(4, 0, -1.0);
    gemmini_extended_mvout(&u[t][0], ACC(0), 1, 4);
    gemmini_fence();
    gemmini_extended_mvin(&u[t][0], US, 1, 4);
    for (int i = 0; i < 3; i++) {
      for (int k = 0; k < 3; k++) {
        gemmini_extended_preload(XS(k), k ? ACC(i+1) | 1 << 30 : ACC(i+1), 1, 4, 1, 4);
        gemmini_extended_compute_preloaded(AA(i,k), GARBAGE_ADDR, 4, 4, 1, 4);
      }
      gemmini_extended_preload(US, ACC(i+1) | 1 << 30, 1, 4, 1, 4);
      gemmini_extended_compute_preloaded(AB(i), GARBAGE_ADDR, 4, 4, 1, 4);
    }
    gemmini_extended_config_st(4, 0, 1.0);
    for (int i = 0; i < 3; i++) gemmini_extended_mvout(&x[t+1][4*i], ACC(i+1), 1, 4);
    gemmini_fence();
  }
}
