#include "include/gemmini.h"
#include "include/gemmini_nn.h"
void kernel(elem_t A[64][64], elem_t B[64][64], elem_t C[64][64]) {
  tiled_matmul_nn_auto(64, 64, 64, A, B, NULL, C, NO_ACTIVATION, ACC_SCALE_IDENTITY, false, WS, false, "layer");
}
