#include <math.h>
float len(float* a, int n) {
  float sum = 0;
  for (int i = 0; i < n; i++)
    sum += a[i] * a[i];
  return sqrtf(sum);
}
