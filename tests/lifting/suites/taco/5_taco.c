#ifndef TACO_C_HEADERS
#define TACO_C_HEADERS
#include <stdint.h>
#include <stdlib.h>
#define restrict __restrict__
typedef enum { taco_mode_dense, taco_mode_sparse } taco_mode_t;
typedef struct {
  int32_t order;         // number of modes
  int32_t* dimensions;   // extents
  int32_t csize;         // component size
  int32_t* mode_ordering;
  taco_mode_t* mode_types;
  uint8_t*** indices;    // index data of each mode
  uint8_t* vals;         // values
  int32_t vals_size;
} taco_tensor_t;
#endif

int compute(taco_tensor_t *a, taco_tensor_t *b, int32_t c) {
  int32_t* restrict a_vals = (int32_t*)(a->vals);
  int b1_dimension = (int)(b->dimensions[0]);
  int32_t* restrict b_vals = (int32_t*)(b->vals);

  for (int32_t i = 0; i < b1_dimension; i++) {
    a_vals[i] = b_vals[i] * c;
  }
  return 0;
}
