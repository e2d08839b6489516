#include <stdint.h>
void xor_mask(const uint32_t *a, const uint32_t *b, uint32_t *out, uint32_t mask, unsigned n) {
  for (unsigned i = 0; i < n; i++) out[i] = (a[i] ^ b[i]) & ~mask;
}
