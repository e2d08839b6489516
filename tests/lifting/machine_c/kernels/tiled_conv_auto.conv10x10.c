#include "include/gemmini.h"
void conv(const elem_t in[2][10][10][32], const elem_t w[3][3][32][32], const acc_t bias[32], elem_t out[2][8][8][32]) {
  tiled_conv_auto(2, 10, 10, 32, 32, 8, 8, 1, 1, 1, 0, 3,
      false, false, false, false, false,
      (elem_t*)in, (elem_t*)w, (acc_t*)bias, (elem_t*)out,
      NO_ACTIVATION, ACC_SCALE_IDENTITY, 0, 0, 0, WS);
}
