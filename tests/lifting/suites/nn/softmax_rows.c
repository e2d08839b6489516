#include <math.h>
void softmax(float *x, int rows, int cols) {
  for (int r = 0; r < rows; r++) {
    float *p = x + r * cols;
    float m = p[0];
    for (int i = 1; i < cols; i++)
      if (p[i] > m) m = p[i];
    float s = 0;
    for (int i = 0; i < cols; i++) {
      p[i] = expf(p[i] - m);
      s += p[i];
    }
    for (int i = 0; i < cols; i++) p[i] /= s;
  }
}
