#include <stdint.h>
#define H 8
#define W 8
void max_pool_s8(const int8_t *in, int8_t *out) {
  for (int y = 0; y < H; y++) {
    for (int x = 0; x < W; x++) {
      int8_t m = INT8_MIN;
      for (int dy = -1; dy <= 1; dy++) {
        for (int dx = -1; dx <= 1; dx++) {
          if (y + dy >= 0 && y + dy < H && x + dx >= 0 && x + dx < W) {
            int8_t v = in[(y + dy) * W + x + dx];
            m = v > m ? v : m;
          }
        }
      }
      out[y * W + x] = m;
    }
  }
}
