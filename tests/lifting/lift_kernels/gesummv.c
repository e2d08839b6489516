#include <stdint.h>
#define N 12

void kernel(int alpha,int beta,const int32_t A[N][N],const int32_t B[N][N],const int32_t x[N],int32_t y[N]) {
  for (int i = 0; i < N; i++) {
    int32_t t = 0;
    y[i] = 0;
    for (int j = 0; j < N; j++) {
      t += A[i][j]*x[j];
      y[i] += B[i][j]*x[j];
    }
    y[i] = alpha*t+beta*y[i];
  }
}
