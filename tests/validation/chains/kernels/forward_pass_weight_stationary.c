#include "include/gemmini.h"
#define NX 12
#define NU 4
#define N 5
#define AK(k) (4*(k))
#define AA(i,k) (16 + 4*((i)*3+(k)))
#define AB(i) (64 + 4*(i))
#define XS(p,k) (4096 + 16*(p) + 4*(k))
#define US(p) (8192+4*(p))
#define DS(t) (12288+4*(t))
void forward_pass(const float K[NU][NX], const float A[NX][NX], const float B[NX][NU],
                  const float d[N][NU], float x[N + 1][NX], float u[N][NU]) {
  gemmini_extended_config_ex(WS, 0, 0, 1, false, false);
  gemmini_extended4_config_ld(4, 1.0, false, 4, 0);
  gemmini_extended4_config_ld(4, -1.0, false, 4, 1);
  gemmini_extended4_config_ld(48, -1.0, false, 4, 2);
  gemmini_extended_config_st(4, 0, 1.0);
  for (int k = 0; k < 3; k++) gemmini_extended_mvin(&x[0][4*k], XS(0,k), 1, 4);
  gemmini_extended_mvin3(&K[0][0], AK(0), 12, 4);
  gemmini_extended_mvin2(&d[0][0], DS(0), 1, 4);
  gemmini_extended4_config_ld(48, 1.0, false, 4, 2);
  for (int i = 0; i < 3; i++) gemmini_extended_mvin3(&A[4*i][0], AA(i,0), 12, 4);
  gemmini_extended4_config_ld(16, 1.0, false, 4, 2);
  for (int i = 0; i < 3; i++) gemmini_extended_mvin3(&B[4*i][0], AB(i), 4, 4);
  for (int t = 1; t < N; t++)  gemmini_extended_mvin2(&d[t][0], DS(t), 1, 4);
  for (int t = 0; t < N; t++) {
    int p = t & 1;
    for (int k = 0; k < 3; k++) {
      gemmini_extended_preload(XS(p,k), US(p), 1, 4, 1, 4);
      gemmini_extended_compute_preloaded(AK(k), k ? US(p) : DS(t), 4, 4, 1, 4);
      for (int i = 0; i < 3; i++) {
        gemmini_extended_preload(GARBAGE_ADDR, XS(1-p,i), 1, 4, 1, 4);
        gemmini_extended_compute_accumulated(AA(i,k), k ? XS(1-p,i) : GARBAGE_ADDR, 4, 4, 1, 4);
      }
    }
    gemmini_extended_preload(US(p), XS(1-p,0), 1, 4, 1, 4);
    gemmini_extended_compute_preloaded(AB(0), XS(1-p,0), 4, 4, 1, 4);
    for (int i = 1; i < 3; i++) {
      gemmini_extended_preload(GARBAGE_ADDR, XS(1-p,i), 1, 4, 1, 4);
      gemmini_extended_compute_accumulated(AB(i), XS(1-p,i), 4, 4, 1, 4);
    }
    gemmini_extended_mvout(&u[t][0], US(p), 1, 4);
    for (int i = 0; i < 3; i++) gemmini_extended_mvout(&x[t+1][4*i], XS(1-p,i), 1, 4);
  }
  gemmini_fence();
}
