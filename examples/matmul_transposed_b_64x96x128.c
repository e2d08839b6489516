// C = A x B^T, where the rows of B are the columns of the product.
#include <stdint.h>

#define M 64
#define N 96
#define K 128

static inline int8_t saturate(int32_t x) {
    return x > 127 ? 127 : x < -128 ? -128 : (int8_t)x;
}

void matmul_transposed_b(const int8_t A[M][K], const int8_t B[N][K], int8_t C[M][N]) {
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            int32_t dot = 0;
            for (int k = 0; k < K; k++)
                dot += A[i][k] * B[j][k];
            C[i][j] = saturate(dot);
        }
}
