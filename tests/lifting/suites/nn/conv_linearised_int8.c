#include <stdint.h>
#define STRIDE 2
void conv(const int8_t *in, const int8_t *w, int32_t *out, int oh, int ow, int ic, int oc) {
  const int iw = STRIDE * ow + 1;
  for (int y = 0; y < oh; y++)
    for (int x = 0; x < ow; x++)
      for (int o = 0; o < oc; o++) {
        int32_t acc = 0;
        for (int i = 0; i < 3; i++)
          for (int j = 0; j < 3; j++)
            for (int c = 0; c < ic; c++)
              acc += in[((y * STRIDE + i) * iw + x * STRIDE + j) * ic + c] * w[((i * 3 + j) * ic + c) * oc + o];
        out[(y * ow + x) * oc + o] = acc;
      }
}
