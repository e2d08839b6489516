// Forward pass of a linear controller (TinyMPC): u = -K·x - d, x⁺ = A·x + B·u, over the horizon.
#define NX 12
#define NU 4
#define N 5
void forward_pass(const float K[NU][NX], const float A[NX][NX], const float B[NX][NU],
                  const float d[N][NU], float x[N + 1][NX], float u[N][NU]) {
  for (int t = 0; t < N; t++) {
    for (int i = 0; i < NU; i++) {
      float s = 0.0f;
      for (int j = 0; j < NX; j++) s += K[i][j] * x[t][j];
      u[t][i] = -s - d[t][i];
    }
    for (int i = 0; i < NX; i++) {
      float s = 0.0f;
      for (int j = 0; j < NX; j++) s += A[i][j] * x[t][j];
      for (int j = 0; j < NU; j++) s += B[i][j] * u[t][j];
      x[t + 1][i] = s;
    }
  }
}
