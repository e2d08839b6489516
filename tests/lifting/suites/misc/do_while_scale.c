void scale(float *x, float k, int n) {
  float *p = x;
  do {
    *p *= k;
    p++;
  } while (--n > 0);
}
