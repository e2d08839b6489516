// C = saturate(A x B): int8 operands, int32 accumulation, result clamped to int8.
#include <stdint.h>

#define N 512

static inline int8_t saturate(int32_t x) {
    if (x > INT8_MAX)
        return INT8_MAX;
    if (x < INT8_MIN)
        return INT8_MIN;
    return (int8_t)x;
}

void matmul(const int8_t A[N][N], const int8_t B[N][N], int8_t C[N][N]) {
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            int32_t sum = 0;
            for (int k = 0; k < N; k++)
                sum += A[i][k] * B[k][j];
            C[i][j] = saturate(sum);
        }
    }
}
