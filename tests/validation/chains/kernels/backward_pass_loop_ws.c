#include "include/gemmini.h"
#define NX 12
#define NU 4
#define N 10
void backward_pass(const float Q[NU][NU], const float B[NX][NU], const float M[NX][NX], const float K[NU][NX],
                   const float q[N][NX], const float r[N][NU], float p[N + 1][NX], float d[N][NU]) {
  for (int t = N - 1; t >= 0; t--) {
    gemmini_extended_config_ex(WS, 0, 0, 1, true, false);
    gemmini_extended_config_st(4, 0, 1.0);
    gemmini_extended3_config_ld(16, 1.0, false, 0);
    gemmini_extended3_config_ld(4, 1.0, false, 1);
    gemmini_extended3_config_ld(4, 1.0, false, 2);
    gemmini_loop_ws(1, 1, 3, 0, 3, 0, &B[0][0], &p[t+1][0], &r[t][0], &d[t][0], 4, 1, 1, 1,
                    true, false, false, false, true, 0, 0, 0, false);
    gemmini_fence();
    gemmini_extended3_config_ld(48, -1.0, false, 0);
    gemmini_loop_ws(3, 1, 1, 0, 3, 0, &K[0][0], &r[t][0], &q[t][0], &p[t][0], 12, 1, 1, 1,
                    true, false, false, false, true, 0, 0, 0, false);
    gemmini_fence();
    gemmini_extended_config_ex(WS, 0, 0, 1, false, false);
    gemmini_extended3_config_ld(48, 1.0, false, 0);
    gemmini_loop_ws(3, 1, 3, 0, 3, 0, &M[0][0], &p[t+1][0], &p[t][0], &p[t][0], 12, 1, 1, 1,
                    false, false, false, false, true, 0, 0, 0, false);
    gemmini_extended3_config_ld(16, 1.0, false, 0);
    gemmini_loop_ws(1, 1, 1, 0, 3, 0, &Q[0][0], &d[t][0], NULL, &d[t][0], 4, 1, 1, 1,
                    false, false, false, false, false, 0, 0, 0, false);
    gemmini_fence();
  }
}
