#include <stdint.h>
uint32_t k_crc(int n, const uint8_t bytes[n]) {
    uint32_t crc = 0xffffffffu;
    for (int i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1u) ? (crc >> 1) ^ 0xedb88320u : crc >> 1;
    }
    return crc;
}
