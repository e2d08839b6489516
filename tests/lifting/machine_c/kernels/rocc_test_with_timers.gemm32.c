#include <stdint.h>
#include <stddef.h>
#include <assert.h>
#include <stdlib.h>
#include <stdio.h>
#ifndef BAREMETAL
#include <sys/mman.h>
#endif
#include "include/gemmini_testutils.h"

#define N (2 * DIM)

void matmul(elem_t A[N][N], elem_t B[N][N], elem_t C[N][N]) {
  unsigned long start, end;
  start = read_cycles();
  gemmini_flush(0);
  size_t A_sp_addr = 0;
  size_t B_sp_addr = N * 2;
  size_t C_acc = 1U << (ADDR_LEN - 1);
  gemmini_config_ld(N * sizeof(elem_t));
  gemmini_config_ex(WEIGHT_STATIONARY, 0, 0);
  gemmini_config_st(N * sizeof(elem_t));
  for (size_t i = 0; i < 2; ++i)
    for (size_t j = 0; j < 2; ++j) {
      gemmini_mvin(A[i * DIM] + j * DIM, A_sp_addr + (i * 2 + j) * DIM);
      gemmini_mvin(B[i * DIM] + j * DIM, B_sp_addr + (i * 2 + j) * DIM);
    }
  for (size_t i = 0; i < 2; ++i)
    for (size_t j = 0; j < 2; ++j)
      for (size_t k = 0; k < 2; ++k) {
        size_t addr = C_acc + (i * 2 + j) * DIM;
        gemmini_preload(B_sp_addr + (k * 2 + j) * DIM, k > 0 ? addr | (1 << (ADDR_LEN - 2)) : addr);
        gemmini_compute_preloaded(A_sp_addr + (i * 2 + k) * DIM, GARBAGE_ADDR);
      }
  for (size_t i = 0; i < 2; ++i)
    for (size_t j = 0; j < 2; ++j)
      gemmini_mvout(C[i * DIM] + j * DIM, C_acc + (i * 2 + j) * DIM);
  gemmini_fence();
  end = read_cycles();
  printf("Cycles taken: %lu\n", end - start);
}
