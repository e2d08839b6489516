/* A stand-in for the public gemmini.h: each macro prints the command that it would issue, as
   "funct rs1 rs2" (decimal, hex, hex). Written from the instruction tables of the ISA. */
#ifndef GEMMINI_STUB_H
#define GEMMINI_STUB_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define OUTPUT_STATIONARY 0
#define WEIGHT_STATIONARY 1
#define NO_ACTIVATION 0
#define RELU 1

static inline uint64_t float_bits(float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static inline void issue(int funct, uint64_t rs1, uint64_t rs2)
{
    printf("%d %llx %llx\n", funct, (unsigned long long)rs1, (unsigned long long)rs2);
}

#define TILE(local, cols, rows) \
    ((uint64_t)(uint32_t)(local) | (uint64_t)(cols) << 32 | (uint64_t)(rows) << 48)

#define gemmini_extended_mvin(dram, local, cols, rows) \
    issue(2, (uint64_t)(dram), TILE(local, cols, rows))
#define gemmini_extended_mvin2(dram, local, cols, rows) \
    issue(1, (uint64_t)(dram), TILE(local, cols, rows))
#define gemmini_extended_mvin3(dram, local, cols, rows) \
    issue(14, (uint64_t)(dram), TILE(local, cols, rows))
#define gemmini_extended_mvout(dram, local, cols, rows) \
    issue(3, (uint64_t)(dram), TILE(local, cols, rows))
#define gemmini_extended_preload(bd, c, bd_cols, bd_rows, c_cols, c_rows) \
    issue(6, TILE(bd, bd_cols, bd_rows), TILE(c, c_cols, c_rows))
#define gemmini_extended_compute_preloaded(a, bd, a_cols, a_rows, bd_cols, bd_rows) \
    issue(4, TILE(a, a_cols, a_rows), TILE(bd, bd_cols, bd_rows))
#define gemmini_extended_compute_accumulated(a, bd, a_cols, a_rows, bd_cols, bd_rows) \
    issue(5, TILE(a, a_cols, a_rows), TILE(bd, bd_cols, bd_rows))

#define gemmini_extended3_config_ex(dataflow, act, shift, scale, c_stride, a_stride, at, bt, only) \
    issue(0, \
          float_bits(scale) << 32 | (uint64_t)(a_stride) << 16 | (bt) << 9 | (at) << 8 \
              | (only) << 7 | (act) << 3 | (dataflow) << 2, \
          (uint64_t)(c_stride) << 48 | (shift))
#define gemmini_extended_config_ex(dataflow, act, shift, a_stride, at, bt) \
    gemmini_extended3_config_ex(dataflow, act, shift, 1.0f, 1, a_stride, at, bt, 0)
#define gemmini_extended5_config_ld(stride, scale, shrunk, block_stride, repeats, id) \
    issue(0, \
          float_bits(scale) << 32 | (uint64_t)(block_stride) << 16 | (uint64_t)(repeats) << 8 \
              | (id) << 3 | (shrunk) << 2 | 1, \
          (stride))
#define gemmini_extended4_config_ld(stride, scale, shrunk, block_stride, id) \
    gemmini_extended5_config_ld(stride, scale, shrunk, block_stride, 1, id)
#define gemmini_extended_config_st(stride, act, scale) \
    issue(0, (act) << 2 | 2, float_bits(scale) << 32 | (uint32_t)(stride))

#define gemmini_flush(skip) issue(7, (skip), 0)
#define gemmini_fence() issue(255, 0, 0)

#endif
