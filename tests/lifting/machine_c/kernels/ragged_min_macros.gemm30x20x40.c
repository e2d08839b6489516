#include "include/gemmini.h"
#define M 30
#define N 20
#define K 40
#define MIN(a,b) ((a) < (b) ? (a) : (b))
#define CEIL(x) (((x) + DIM - 1) / DIM)
void kernel(const elem_t A[M][K], const elem_t B[K][N], elem_t C[M][N]) {
  gemmini_extended_config_ex(WS, NO_ACTIVATION, 0, 1, false, false);
  gemmini_extended4_config_ld(K, 1.0, false, DIM, 0);
  gemmini_extended4_config_ld(N, 1.0, false, DIM, 1);
  gemmini_extended_config_st(N, NO_ACTIVATION, 1.0);
  for (int it = 0; it < CEIL(M); ++it) {
    int m = MIN(DIM, M - it * DIM);
    for (int jt = 0; jt < CEIL(N); ++jt) {
      int n = MIN(DIM, N - jt * DIM);
      for (int kt = 0; kt < CEIL(K); ++kt) {
        int kk = MIN(DIM, K - kt * DIM);
        int ping = (it + jt + kt) & 1;
        gemmini_extended_mvin(&A[it*DIM][kt*DIM], ping * DIM, kk, m);
        gemmini_extended_mvin2(&B[kt*DIM][jt*DIM], 8192 + ping * DIM, n, kk);
        gemmini_extended_preload(8192 + ping * DIM, (kt == 0 ? 0x80000000 : 0xC0000000), n, kk, n, m);
        gemmini_extended_compute_preloaded(ping * DIM, GARBAGE_ADDR, kk, m, n, m);
      }
      gemmini_extended_mvout(&C[it*DIM][jt*DIM], 0x80000000, n, m);
    }
  }
  gemmini_fence();
}
