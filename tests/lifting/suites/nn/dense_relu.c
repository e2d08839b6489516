#include <stdint.h>
void dense(const int8_t *x, const int8_t *w, const int32_t *b, int8_t *y, int in, int out) {
  for (int o = 0; o < out; o++) {
    int32_t acc = b[o];
    for (int i = 0; i < in; i++) acc += x[i] * w[o * in + i];
    acc = acc > 0 ? acc : 0;
    acc >>= 7;
    y[o] = acc > 127 ? 127 : (int8_t)acc;
  }
}
