#include "include/gemmini.h"
void conv(const elem_t in[1][12][12][20], const elem_t w[3][3][20][24], const acc_t bias[24], elem_t out[1][5][5][24]) {
  tiled_conv_auto(1, 12, 12, 20, 24, 5, 5, 2, 1, 1, 0, 3, false, false, false, false, false,
   (elem_t*)in, (elem_t*)w, (acc_t*)bias, (elem_t*)out, NO_ACTIVATION, ACC_SCALE_IDENTITY, 0, 0, 0, WS);
}
