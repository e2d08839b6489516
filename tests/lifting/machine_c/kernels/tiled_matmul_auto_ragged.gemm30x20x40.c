#include "include/gemmini.h"
void kernel(const elem_t A[30][40], const elem_t B[40][20], elem_t C[30][20]) {
  tiled_matmul_auto(30, 20, 40, (elem_t*)A, (elem_t*)B, NULL, (elem_t*)C, 40, 20, 20, 20,
     MVIN_SCALE_IDENTITY, MVIN_SCALE_IDENTITY, MVIN_SCALE_IDENTITY, NO_ACTIVATION, ACC_SCALE_IDENTITY, 0,
     false, false, false, false, false, 0, WS);
}
