#include "include/gemmini.h"
#define NX 12
#define NU 4
#define N 5
void forward_pass(const float K[NU][NX], const float A[NX][NX], const float B[NX][NU],
                  const float d[N][NU], float x[N + 1][NX], float u[N][NU]) {
  gemmini_extended_config_ex(WS, 0, 0, 1, false, false);
  gemmini_extended3_config_ld(4, 1.0, false, 1);
  gemmini_extended3_config_ld(4, 1.0, false, 2);
  for (int t = 0; t < N; t++) {
    gemmini_extended_config_st(4, 0, -1.0);
    gemmini_extended3_config_ld(48, 1.0, false, 0);
    gemmini_loop_ws(1, 1, 3, 0, 3, 0, &K[0][0], &x[t][0], &d[t][0], &u[t][0], 12, 1, 1, 1,
                    false, false, false, false, true, 0, 0, 0, false);
    gemmini_extended_config_st(4, 0, 1.0);
    gemmini_loop_ws(3, 1, 3, 0, 3, 0, &A[0][0], &x[t][0], NULL, &x[t+1][0], 12, 1, 1, 1,
                    false, false, false, false, false, 0, 0, 0, false);
    gemmini_fence();
    gemmini_extended3_config_ld(16, 1.0, false, 0);
    gemmini_loop_ws(3, 1, 1, 0, 3, 0, &B[0][0], &u[t][0], &x[t+1][0], &x[t+1][0], 4, 1, 1, 1,
                    false, false, false, false, true, 0, 0, 0, false);
    gemmini_fence();
  }
}
