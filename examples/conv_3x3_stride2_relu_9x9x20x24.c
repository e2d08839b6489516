// A 3×3 convolution with stride 2 and ReLU: weights by output channel, sizes that fit no tile.
#include <stdint.h>

void conv(const int8_t in[2][9][9][20], const int8_t weights[24][3][3][20],
          const int32_t bias[24], int8_t out[2][4][4][24]) {
  for (int image = 0; image < 2; image++)
    for (int row = 0; row < 4; row++)
      for (int col = 0; col < 4; col++)
        for (int output = 0; output < 24; output++) {
          int32_t sum = bias[output];
          for (int r = 0; r < 3; r++)
            for (int s = 0; s < 3; s++)
              for (int input = 0; input < 20; input++)
                sum += in[image][2 * row + r][2 * col + s][input] * weights[output][r][s][input];
          sum = sum < 0 ? 0 : sum;
          sum = sum > 127 ? 127 : sum;
          out[image][row][col][output] = sum;
        }
}
