#include <math.h>
void pow_cpu(int N, float ALPHA, float *X, float *Y) {
  int i;
  for (i = 0; i < N; ++i) Y[i] = powf(X[i], ALPHA);
}
