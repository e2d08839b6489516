#include "include/gemmini.h"
#define NX 12
#define NU 4
#define N 10
#define SQ 0
#define SB(j) (4 + 4*(j))
#define SM(i,k) (16 + 4*((i)*3+(k)))
#define SK(i) (64 + 4*(i))
#define PS(k) (4096 + 4*(k))
#define RS (4200)
#define WS_ (4300)
#define ACC(i) (0x80000000 + 4*(i))
void backward_pass(const float Q[NU][NU], const float B[NX][NU], const float M[NX][NX], const float K[NU][NX],
                   const float q[N][NX], const float r[N][NU], float p[N + 1][NX], float d[N][NU]) {
  gemmini_extended4_config_ld(4, 1.0, false, 4, 0);
  gemmini_extended_config_st(4, 0, 1.0);
  gemmini_extended4_config_ld(16, 1.0, false, 4, 2);
  gemmini_extended_mvin3(&Q[0][0], SQ, 4, 4);
  for (int i = 0; i < 3; i++) gemmini_extended_mvin3(&B[4*i][0], SB(i), 4, 4);
  gemmini_extended4_config_ld(48, 1.0, false, 4, 2);
  for (int i = 0; i < 3; i++) gemmini_extended_mvin3(&M[4*i][0], SM(i,0), 12, 4);
  gemmini_extended4_config_ld(48, -1.0, false, 4, 2);
  gemmini_extended_mvin3(&K[0][0], SK(0), 12, 4);
  for (int t = N - 1; t >= 0; t--) {
    for (int k = 0; k < 3; k++) gemmini_extended_mvin(&p[t+1][4*k], PS(k), 1, 4);
    gemmini_extended_mvin(&r[t][0], ACC(0), 1, 4);
    gemmini_extended_mvin(&r[t][0], RS, 1, 4);
    for (int i = 0; i < 3; i++) gemmini_extended_mvin(&q[t][4*i], ACC(i+2), 1, 4);
    gemmini_extended_config_ex(WS, 0, 0, 1, true, false);
    for (int k = 0; k < 3; k++) {
      gemmini_extended_preload(PS(k), k == 2 ? ACC(0) | 1 << 30 : ACC(0) | 1 << 30, 1, 4, 1, 4);
      gemmini_extended_compute_preloaded(SB(k), GARBAGE_ADDR, 4, 4, 1, 4);
    }
    for (int i = 0; i < 3; i++) {
      gemmini_extended_preload(RS, ACC(i+2) | 1 << 30, 1, 4, 1, 4);
      gemmini_extended_compute_preloaded(SK(i), GARBAGE_ADDR, 4, 4, 1, 4);
    }
    gemmini_extended_mvout(&d[t][0], ACC(0), 1, 4);
    gemmini_extended_config_ex(WS, 0, 0, 1, false, false);
    for (int i = 0; i < 3; i++)
      for (int k = 0; k < 3; k++) {
        gemmini_extended_preload(PS(k), ACC(i+2) | 1 << 30, 1, 4, 1, 4);
        gemmini_extended_compute_preloaded(SM(i,k), GARBAGE_ADDR, 4, 4, 1, 4);
      }
    for (int i = 0; i < 3; i++) gemmini_extended_mvout(&p[t][4*i], ACC(i+2), 1, 4);
    gemmini_fence();
    gemmini_extended_mvin(&d[t][0], WS_, 1, 4);
    gemmini_extended_preload(WS_, ACC(1), 1, 4, 1, 4);
    gemmini_extended_compute_preloaded(SQ, GARBAGE_ADDR, 4, 4, 1, 4);
    gemmini_extended_mvout(&d[t][0], ACC(1), 1, 4);
    gemmini_fence();
  }
}
