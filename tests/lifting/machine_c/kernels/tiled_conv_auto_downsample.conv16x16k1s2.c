#include "include/gemmini.h"
void conv(const elem_t in[1][16][16][32], const elem_t w[1][1][32][32], const acc_t bias[32], elem_t out[1][8][8][32]) {
  tiled_conv_auto(1, 16, 16, 32, 32, 8, 8, 2, 1, 1, 0, 1, false, false, false, false, false,
   (elem_t*)in, (elem_t*)w, (acc_t*)bias, (elem_t*)out, NO_ACTIVATION, ACC_SCALE_IDENTITY, 0, 0, 0, WS);
}
