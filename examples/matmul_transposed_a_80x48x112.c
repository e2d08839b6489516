// C = A^T x B with the whole product accumulated in memory first: the loop order is k-i-j.
#include <stdint.h>

#define M 80
#define N 48
#define K 112

void matmul_transposed_a(const int8_t A[K][M], const int8_t B[K][N], int8_t C[M][N]) {
    int32_t sums[M][N];

    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++)
            sums[i][j] = 0;

    for (int k = 0; k < K; k++)
        for (int i = 0; i < M; i++)
            for (int j = 0; j < N; j++)
                sums[i][j] += A[k][i] * B[k][j];

    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            int32_t sum = sums[i][j];
            if (sum > 127) sum = 127;
            if (sum < -128) sum = -128;
            C[i][j] = (int8_t)sum;
        }
}
