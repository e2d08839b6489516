#include <stdint.h>
void k_delta(int n, const uint8_t samples[n], uint8_t out[n]) {
    uint8_t last = 128;
    for (int i = 0; i < n; i++) {
        out[i] = (uint8_t)(samples[i] - last);
        last = samples[i];
    }
}
