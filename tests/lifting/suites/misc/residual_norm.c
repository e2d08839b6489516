#include <math.h>
double max_norm(const double *r, int n) {
  double m = 0.0;
  for (int i = 0; i < n; i++) {
    double v = fabs(r[i]);
    if (v > m) m = v;
  }
  return m;
}
