#include <stdint.h>
void k_debounce(int n, const int8_t level[n], int8_t out[n], int limit) {
    int count = 0;
    int8_t state = 0;
    for (int i = 0; i < n; i++) {
        if (level[i] != state) {
            count++;
            if (count >= limit) {
                state = level[i];
                count = 0;
            }
        } else {
            count = 0;
        }
        out[i] = state;
    }
}
