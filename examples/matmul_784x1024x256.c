/* Row by row, the product is accumulated in an int32 buffer: the loop order is i-k-j. */
#include <stdint.h>

#define M 784
#define K 1024
#define N 256

void gemm(const int8_t A[M][K], const int8_t B[K][N], int8_t C[M][N]) {
    for (int i = 0; i < M; i++) {
        int32_t row[N] = {0};
        for (int k = 0; k < K; k++) {
            for (int j = 0; j < N; j++) {
                row[j] += A[i][k] * B[k][j];
            }
        }
        for (int j = 0; j < N; j++) {
            int32_t v = row[j];
            C[i][j] = v > 127 ? 127 : (v < -128 ? -128 : v);
        }
    }
}
