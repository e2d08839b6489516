#include <stdint.h>
void apply_lut(const uint8_t *in, const uint8_t lut[256], uint8_t *out, int n) {
  for (int i = 0; i < n; i++) out[i] = lut[in[i]];
}
