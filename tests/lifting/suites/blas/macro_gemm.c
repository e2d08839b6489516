#define IDX(r, c, ld) ((r) * (ld) + (c))
void gemm(int m, int n, int k, const float *restrict a, const float *restrict b, float *restrict c) {
    for (int i = 0; i < m; ++i)
        for (int j = 0; j < n; ++j) {
            float acc = 0.f;
            for (int p = 0; p < k; ++p) acc += a[IDX(i, p, k)] * b[IDX(p, j, n)];
            c[IDX(i, j, n)] = acc;
        }
}
