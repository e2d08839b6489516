// The library's product: the reader expands it into the hardware loops that the library issues.
#include "include/gemmini.h"

#define DIM_I 200
#define DIM_J 75
#define DIM_K 700

void matmul(const elem_t A[DIM_I][DIM_K], const elem_t B[DIM_K][DIM_J], const acc_t D[DIM_I][DIM_J],
            elem_t C[DIM_I][DIM_J]) {
    tiled_matmul_auto(DIM_I, DIM_J, DIM_K, (elem_t *)A, (elem_t *)B, &D[0][0], (elem_t *)C,
                      DIM_K, DIM_J, DIM_J, DIM_J,
                      MVIN_SCALE_IDENTITY, MVIN_SCALE_IDENTITY, MVIN_SCALE_IDENTITY,
                      NO_ACTIVATION, ACC_SCALE_IDENTITY, 0, false, false, false, false, false, 0,
                      WS);
}
