#include <stdint.h>
void qgemm(const uint8_t *a, const uint8_t *b, int32_t *c, int m, int n, int k, int za, int zb) {
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      int32_t s = 0;
      for (int p = 0; p < k; p++) s += ((int32_t)a[i * k + p] - za) * ((int32_t)b[p * n + j] - zb);
      c[i * n + j] = s;
    }
}
