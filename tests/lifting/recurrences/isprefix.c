#include <stdbool.h>
#include <stdint.h>
bool k_isprefix(int n, const int8_t a[n], const int8_t b[n]) {
    for (int i = 0; i < n; i++) {
        if (a[i] != b[i]) return false;
        if (a[i] == 0) return true;
    }
    return true;
}
