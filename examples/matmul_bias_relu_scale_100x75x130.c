/* A fully connected layer: C = clamp(round(relu(A x B + D) / 64)), rounding half to even. */
#include <math.h>
#include <stdint.h>

#define M 100
#define N 75
#define K 130
#define SCALE (1.0f / 64)

#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))

void fully_connected(const int8_t A[M][K], const int8_t B[K][N], const int32_t D[M][N],
                     int8_t C[M][N]) {
    for (int i = 0; i < M; i++) {
        for (int j = 0; j < N; j++) {
            int32_t acc = D[i][j];
            for (int k = 0; k < K; k++) {
                acc += A[i][k] * B[k][j];
            }
            acc = MAX(acc, 0);
            float scaled = rintf(acc * SCALE);
            C[i][j] = (int8_t)MIN(scaled, 127.0f);
        }
    }
}
