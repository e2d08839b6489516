// A 1x1 convolution over 112 x 112 pixels, as a matrix product: 64 input, 256 output channels.
#include <stdint.h>

#define PIXELS (112 * 112)
#define IN_CHANNELS 64
#define OUT_CHANNELS 256

static int8_t clip(int32_t value, int32_t low, int32_t high) {
    return value < low ? low : (value > high ? high : value);
}

void pointwise_convolution(const int8_t image[PIXELS][IN_CHANNELS],
                           const int8_t weights[IN_CHANNELS][OUT_CHANNELS],
                           int8_t result[PIXELS][OUT_CHANNELS]) {
    for (int p = 0; p < PIXELS; p++)
        for (int o = 0; o < OUT_CHANNELS; o++) {
            int32_t sum = 0;
            for (int c = 0; c < IN_CHANNELS; c++)
                sum += image[p][c] * weights[c][o];
            result[p][o] = clip(sum, -128, 127);
        }
}
