#include "include/gemmini.h"
#define M 48
#define N 80
#define K 64
const int J_START[] = {0, 64};
const int J_WIDTH[] = {64, 16};
void kernel(const elem_t A[M][K], const elem_t B[K][N], elem_t C[M][N]) {
  uint64_t t0 = read_cycles();
  gemmini_flush(0);
  config_ex(WEIGHT_STATIONARY, NO_ACTIVATION, 1, false, false);
  config_ld(K, 1.0f, DIM, 0); config_ld(N, 1.0f, DIM, 1); config_st(N);
  for (int i = 0; i < M; i += DIM) mvin(&A[i][0], i * 4, K, DIM);
  for (int jb = 0; jb < 2; jb++) {
    for (int k = 0; k < K; k += DIM) mvin2(&B[k][J_START[jb]], 4096 + k * 4 + jb * 1024, J_WIDTH[jb], DIM);
    for (int i = 0; i < M; i += DIM) {
      uint32_t c0 = 0x80000000u + (i / DIM) * 64 + jb * 512;
      for (int j = 0; j < J_WIDTH[jb]; j += DIM)
        for (int k = 0; k < K; k += DIM) {
          preload(4096 + jb * 1024 + k * 4 + j, c0 + j + (k ? 1u << 30 : 0), DIM, DIM, DIM, DIM);
          compute_preloaded(i * 4 + k, GARBAGE_ADDR, DIM, DIM, DIM, DIM);
        }
      mvout(&C[i][J_START[jb]], c0, J_WIDTH[jb], DIM);
    }
  }
  fence();
  uint64_t t1 = read_cycles();
  printf("took %llu\n", (unsigned long long)(t1 - t0));
}
