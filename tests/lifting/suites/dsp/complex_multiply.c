void cmul(const float *ar, const float *ai, const float *br, const float *bi, float *cr, float *ci, int n) {
  for (int i = 0; i < n; i++) {
    cr[i] = ar[i] * br[i] - ai[i] * bi[i];
    ci[i] = ar[i] * bi[i] + ai[i] * br[i];
  }
}
