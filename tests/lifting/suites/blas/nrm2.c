#include <math.h>
float snrm2(int n, const float *x) {
  float s = 0.0f;
  for (int i = 0; i < n; i++) s += x[i] * x[i];
  return sqrtf(s);
}
