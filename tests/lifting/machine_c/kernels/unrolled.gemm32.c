#include "include/gemmini.h"
void kernel(int8_t A[32][32], int8_t B[32][32], int8_t C[32][32]) {
config_ex(WEIGHT_STATIONARY,NO_ACTIVATION,1,0,0); config_ld(32,1.0,16,0); config_ld(32,1.0,16,1);config_st(32);
  mvin(A[0], 0, 32, 16); mvin2(B[0], 4096, 32, 16);
  mvin(A[16], 32, 32, 16); mvin2(B[16], 4128, 32, 16);
  preload(4096, 0x80000000, 16, 16, 16, 16);  compute_preloaded(0, 0xFFFFFFFF, 16, 16, 16, 16); // C[0][0] += k=0
  preload(4128, 0xc0000000, 16, 16, 16, 16);  compute_preloaded(16, 0xFFFFFFFF, 16, 16, 16, 16); // C[0][0] += k=1
  preload(4112, 0x80000010, 16, 16, 16, 16);  compute_preloaded(0, 0xFFFFFFFF, 16, 16, 16, 16); // C[0][1] += k=0
  preload(4144, 0xc0000010, 16, 16, 16, 16);  compute_preloaded(16, 0xFFFFFFFF, 16, 16, 16, 16); // C[0][1] += k=1
  mvout(&C[0][0], 0x80000000, 32, 16);
  preload(4096, 0x80000020, 16, 16, 16, 16);  compute_preloaded(32, 0xFFFFFFFF, 16, 16, 16, 16); // C[1][0] += k=0
  preload(4128, 0xc0000020, 16, 16, 16, 16);  compute_preloaded(48, 0xFFFFFFFF, 16, 16, 16, 16); // C[1][0] += k=1
  preload(4112, 0x80000030, 16, 16, 16, 16);  compute_preloaded(32, 0xFFFFFFFF, 16, 16, 16, 16); // C[1][1] += k=0
  preload(4144, 0xc0000030, 16, 16, 16, 16);  compute_preloaded(48, 0xFFFFFFFF, 16, 16, 16, 16); // C[1][1] += k=1
  mvout(&C[16][0], 0x80000020, 32, 16);
  fence();
}
