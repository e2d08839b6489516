#include "include/gemmini.h"
void conv(const elem_t in[1][9][9][16], const elem_t w[3][3][16][16], const acc_t bias[16], elem_t out[1][9][9][16]) {
  tiled_conv_auto(1, 9, 9, 16, 16, 9, 9, 1, 1, 1, 1, 3, false, false, false, false, false,
   (elem_t*)in, (elem_t*)w, (acc_t*)bias, (elem_t*)out, NO_ACTIVATION, ACC_SCALE_IDENTITY, 0, 0, 0, WS);
}
