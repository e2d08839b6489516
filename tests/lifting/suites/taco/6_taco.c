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
  int a2_dimension = (int)(a->dimensions[1]);
  int a3_dimension = (int)(a->dimensions[2]);
  int32_t* restrict a_vals = (int32_t*)(a->vals);
  int b1_dimension = (int)(b->dimensions[0]);
  int b2_dimension = (int)(b->dimensions[1]);
  int b3_dimension = (int)(b->dimensions[2]);
  int32_t* restrict b_vals = (int32_t*)(b->vals);
  int32_t* restrict c_vals = (int32_t*)(c->vals);

  for (int32_t i = 0; i < b1_dimension; i++) {
    for (int32_t j = 0; j < b2_dimension; j++) {
      int32_t ja = i * a2_dimension + j;
      int32_t jb = i * b2_dimension + j;
      for (int32_t k = 0; k < b3_dimension; k++) {
        int32_t ka = ja * a3_dimension + k;
        int32_t kb = jb * b3_dimension + k;
        a_vals[ka] = b_vals[kb] + c_vals[kb];
      }
    }
  }
  return 0;
}
