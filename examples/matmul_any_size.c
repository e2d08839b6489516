// The sizes are parameters: what is proven of it holds for all of them.
#include <stdint.h>

void matmul(int m, int n, int k, const int8_t A[m][k], const int8_t B[k][n], int32_t C[m][n]) {
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
            int32_t sum = 0;
            for (int p = 0; p < k; p++)
                sum += A[i][p] * B[p][j];
            C[i][j] = sum;
        }
    }
}
