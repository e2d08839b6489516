// One row more than a 16 x 16 array holds.
#include <stdint.h>

enum { ROWS = 17, COLS = 16, DEPTH = 16 };

void matmul(int8_t a[ROWS][DEPTH], int8_t b[DEPTH][COLS], int8_t c[ROWS][COLS])
{
    int row, col, k;

    for (row = 0; row < ROWS; row++) {
        for (col = 0; col < COLS; col++) {
            int32_t acc = 0;
            for (k = 0; k < DEPTH; k++)
                acc = acc + a[row][k] * b[k][col];
            if (acc > 127)
                acc = 127;
            else if (acc < -128)
                acc = -128;
            c[row][col] = acc;
        }
    }
}
