#include "include/gemmini_testutils.h"
#define CHECK_RESULT 1
void kernel(elem_t A[DIM][DIM], elem_t B[DIM][DIM], elem_t C[DIM][DIM]) {
  gemmini_flush(0);
  gemmini_config_ld(DIM * sizeof(elem_t));
  gemmini_config_st(DIM * sizeof(elem_t));
  gemmini_mvin(A, 0);
  gemmini_mvin(B, DIM);
  gemmini_config_ex(WEIGHT_STATIONARY, 0, 0);
  gemmini_preload(DIM, 0x80000000);
  gemmini_compute_preloaded(0, GARBAGE_ADDR);
  gemmini_mvout(C, 0x80000000);
  gemmini_fence();
#if CHECK_RESULT == 1
  printf("done\n");
#endif
}
int main() {
  static elem_t A[DIM][DIM], B[DIM][DIM], C[DIM][DIM];
  kernel(A, B, C);
  exit(0);
}
