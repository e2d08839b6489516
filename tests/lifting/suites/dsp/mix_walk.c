#include <stdint.h>
void mix(const int16_t *a, const int16_t *b, int16_t *out, int n) {
  while (n-- > 0) {
    int32_t v = *a++ + *b++;
    if (v > INT16_MAX) v = INT16_MAX;
    if (v < INT16_MIN) v = INT16_MIN;
    *out++ = (int16_t)v;
  }
}
