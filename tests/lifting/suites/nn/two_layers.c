#include <stdint.h>
#define IN 16
#define HID 32
#define OUT 8
static inline int8_t quant(int32_t v) {
  v = (v + 32) >> 6;
  return v > 127 ? 127 : v < -128 ? -128 : v;
}
void mlp(const int8_t x[4][IN], const int8_t w1[IN][HID], const int8_t w2[HID][OUT], int8_t y[4][OUT]) {
  int8_t h[4][HID];
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < HID; j++) {
      int32_t s = 0;
      for (int k = 0; k < IN; k++) s += x[i][k] * w1[k][j];
      h[i][j] = quant(s < 0 ? 0 : s);
    }
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < OUT; j++) {
      int32_t s = 0;
      for (int k = 0; k < HID; k++) s += h[i][k] * w2[k][j];
      y[i][j] = quant(s);
    }
}
