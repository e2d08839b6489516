static int sq(int x) { return x * x; }
static int dist(int a, int b) { return sq(a - b); }
int ssd(const int *a, const int *b, int n) {
  int total = 0;
  for (int i = 0; i < n; ++i) total += dist(a[i], b[i]);
  return total;
}
