#include <stddef.h>
#include <stdint.h>
void threshold(const uint8_t *in, uint8_t *out, size_t n, uint8_t t) {
  for (size_t i = 0; i < n; i++) out[i] = in[i] >= t ? 255 : 0;
}
