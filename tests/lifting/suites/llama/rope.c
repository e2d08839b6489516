#include <math.h>
void rope(float* q, float* k, float* fcr, float* fci, int half) {
  for (int i = 0; i < half; i++) {
    float q0 = q[2 * i];
    float q1 = q[2 * i + 1];
    q[2 * i] = q0 * fcr[i] - q1 * fci[i];
    q[2 * i + 1] = q0 * fci[i] + q1 * fcr[i];
  }
}
