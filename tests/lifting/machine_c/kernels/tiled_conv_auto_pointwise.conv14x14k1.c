#include "include/gemmini.h"
void conv(const elem_t in[2][14][14][64], const elem_t w[1][1][64][40], elem_t out[2][14][14][40]) {
  tiled_conv_auto(2, 14, 14, 64, 40, 14, 14, 1, 1, 1, 0, 1, false, false, false, false, false,
   (elem_t*)in, (elem_t*)w, NULL, (elem_t*)out, RELU, ACC_SCALE_IDENTITY, 0, 0, 0, WS);
}
