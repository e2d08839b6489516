typedef struct { float re, im; } cplx;
void cdot(const float *ar, const float *ai, const float *br, const float *bi, float *out, int n) {
  float re = 0.f, im = 0.f;
  int i;
  for (i = 0; i < n; i++) {
    re += ar[i] * br[i] - ai[i] * bi[i];
    im += ar[i] * bi[i] + ai[i] * br[i];
  }
  out[0] = re;
  out[1] = im;
}
