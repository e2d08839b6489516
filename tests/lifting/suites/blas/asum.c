#include <math.h>
double dasum(int n, const double *x) {
  double s = 0;
  for (int i = 0; i < n; i++) s += fabs(x[i]);
  return s;
}
