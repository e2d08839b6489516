#include <stdint.h>
void k_scan(int n, const int32_t a[n], int32_t out[n]) {
    int32_t s = 0;
    for (int i = 0; i < n; i++) { s += a[i]; out[i] = s; }
}
