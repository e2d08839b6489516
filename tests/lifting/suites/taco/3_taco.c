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

int compute(taco_tensor_t *a, taco_tensor_t *b, taco_tensor_t *c) {
  int a1_dimension = (int)(a->dimensions[0]);
  int32_t* restrict a_vals = (int32_t*)(a->vals);
  int b1_dimension = (int)(b->dimensions[0]);
  int b2_dimension = (int)(b->dimensions[1]);
  int32_t* restrict b_vals = (int32_t*)(b->vals);
  int c1_dimension = (int)(c->dimensions[0]);
  int32_t* restrict c_vals = (int32_t*)(c->vals);

  #pragma omp parallel for schedule(runtime)
  for (int32_t i = 0; i < b1_dimension; i++) {
    int32_t tja_val = 0;
    for (int32_t j = 0; j < c1_dimension; j++) {
      int32_t jb = i * b2_dimension + j;
      tja_val += b_vals[jb] * c_vals[j];
    }
    a_vals[i] = tja_val;
  }
  return 0;
}
