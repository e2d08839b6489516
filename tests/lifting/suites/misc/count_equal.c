int count(const unsigned char *x, int n, unsigned char key) {
  int c = 0;
  for (int i = 0; i < n; ++i) c += x[i] == key;
  return c;
}
