#define MIN(a, b) (((a) < (b)) ? (a) : (b))
#define MAX(a, b) (((a) > (b)) ? (a) : (b))
#define CLAMP(x, lo, hi) MIN(MAX(x, lo), hi)
void clamp_all(int *x, int n, int lo, int hi) {
  for (int i = 0; i < n; i++) x[i] = CLAMP(x[i], lo, hi);
}
