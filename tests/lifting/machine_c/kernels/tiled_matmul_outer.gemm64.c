#include "include/gemmini.h"
void kernel(elem_t A[64][64], elem_t B[64][64], elem_t C[64][64]) {
  tiled_matmul_outer(64, 64, 64, (elem_t*)A, (elem_t*)B, NULL, (elem_t*)C, 64, 64, 64, 64,
               MVIN_SCALE_IDENTITY, MVIN_SCALE_IDENTITY, MVIN_SCALE_IDENTITY,
               2, 2, 4, NO_ACTIVATION, ACC_SCALE_IDENTITY, 0, false, false, false, false, false, 3, WEIGHT_STATIONARY);
  gemmini_fence();
}
