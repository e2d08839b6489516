void where(const int *mask, const int *a, const int *b, int *out, int n) {
  for (int i = 0; i < n; i++) {
    if (mask[i]) out[i] = a[i];
    else out[i] = b[i];
  }
}
