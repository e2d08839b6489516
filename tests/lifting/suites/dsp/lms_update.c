void lms(float *w, const float *x, float mu, float e, int n) {
  int i;
  float k = mu * e;
  for (i = 0; i < n; i++) w[i] = w[i] + k * x[i];
}
