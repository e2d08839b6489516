// C += A x B with the full int32 result, computed in place.
#include <stdint.h>

#define M 48
#define N 80
#define K 64

void matmul_accumulate(const int8_t A[M][K], const int8_t B[K][N], int32_t C[M][N]) {
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++)
            for (int k = 0; k < K; k++)
                C[i][j] += A[i][k] * B[k][j];
}
