// A 3×3 convolution with bias: four images of 14×14 pixels, 128 channels, border included.
#include <stdint.h>

void conv(const int8_t in[4][16][16][128], const int8_t weights[3][3][128][128],
          const int32_t bias[128], int8_t out[4][14][14][128]) {
  for (int image = 0; image < 4; image++)
    for (int row = 0; row < 14; row++)
      for (int col = 0; col < 14; col++)
        for (int output = 0; output < 128; output++) {
          int32_t sum = bias[output];
          for (int r = 0; r < 3; r++)
            for (int s = 0; s < 3; s++)
              for (int input = 0; input < 128; input++)
                sum += in[image][row + r][col + s][input] * weights[r][s][input][output];
          sum = sum > 127 ? 127 : sum;
          sum = sum < -128 ? -128 : sum;
          out[image][row][col][output] = sum;
        }
}
