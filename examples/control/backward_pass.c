// Backward pass of a linear controller (TinyMPC): d = Q·(Bᵀ·p + r), p = q + M·p - Kᵀ·r, from the end.
#define NX 12
#define NU 4
#define N 10
void backward_pass(const float Q[NU][NU], const float B[NX][NU], const float M[NX][NX], const float K[NU][NX],
                   const float q[N][NX], const float r[N][NU], float p[N + 1][NX], float d[N][NU]) {
  for (int t = N - 1; t >= 0; t--) {
    float w[NU];
    for (int i = 0; i < NU; i++) {
      w[i] = r[t][i];
      for (int j = 0; j < NX; j++) w[i] += B[j][i] * p[t + 1][j];
    }
    for (int i = 0; i < NU; i++) {
      d[t][i] = 0.0f;
      for (int j = 0; j < NU; j++) d[t][i] += Q[i][j] * w[j];
    }
    for (int i = 0; i < NX; i++) {
      float s = q[t][i];
      for (int j = 0; j < NX; j++) s += M[i][j] * p[t + 1][j];
      for (int j = 0; j < NU; j++) s -= K[j][i] * r[t][j];
      p[t][i] = s;
    }
  }
}
