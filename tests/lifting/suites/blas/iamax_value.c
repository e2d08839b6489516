int amax(int n, const int *x) {
  int best = 0;
  for (int i = 0; i < n; i++) {
    int v = x[i] < 0 ? -x[i] : x[i];
    if (v > best) best = v;
  }
  return best;
}
