#include "gemm_exo.h"
#include <include/gemmini.h>
// matmul_on_gemmini(
//     A : i8[64, 64] @DRAM,
// )
void matmul_on_gemmini(const int8_t A[64][64], const int8_t B[64][64], int8_t C[64][64]) {
gemmini_extended_config_st((64), 0, (1.0f));
gemmini_extended3_config_ld((64), 1.0f, 0, 0);
gemmini_extended3_config_ld((64), 1.0f, 0, 1);
gemmini_extended_config_ex(WS, 0, 0, 1, 0, 0);
for (int_fast32_t io = 0; io < 4; io++) {
  for (int_fast32_t jo = 0; jo < 4; jo++) {
    uint32_t res = 1U << 31;
    for (int_fast32_t ko = 0; ko < 4; ko++) {
      uint32_t a = 0;
      uint32_t b = 16 / 16 * 256;
      gemmini_extended_mvin( ((uint64_t) &A[16 * io][16 * ko]), ((uint64_t) a), (16), (16) );
      gemmini_extended_mvin2( ((uint64_t) &B[16 * ko][16 * jo]), ((uint64_t) b), (16), (16) );
      gemmini_extended_preload((uint32_t)(b), (uint32_t)(res) | 0x40000000 * (ko != 0), (16), (16), (16), (16));
      gemmini_extended_compute_preloaded((uint32_t)(a), ~((uint32_t)0), (16), (16), 16, 16);
    }
    gemmini_extended_mvout( ((uint64_t) &C[16 * io][16 * jo]), (uint32_t) res, (16), (16) );
  }
}
gemmini_fence();
}
