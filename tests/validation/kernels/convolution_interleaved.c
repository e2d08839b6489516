#include <stdint.h>
void conv(const int8_t in[2][18][18][32], const int8_t w[3][3][32][32], const int32_t bias[32],
          int8_t out[2][16][16][32]) {
    for (int b = 0; b < 2; b++)
        for (int oh = 0; oh < 16; oh++)
            for (int ow = 0; ow < 16; ow++)
                for (int co = 0; co < 32; co++) {
                    int32_t sum = bias[co];
                    for (int kh = 0; kh < 3; kh++)
                        for (int kw = 0; kw < 3; kw++)
                            for (int ci = 0; ci < 32; ci++)
                                sum += in[b][oh + kh][ow + kw][ci] * w[kh][kw][ci][co];
                    sum = sum > 127 ? 127 : sum;
                    sum = sum < -128 ? -128 : sum;
                    out[b][oh][ow][co] = sum;
                }
}
