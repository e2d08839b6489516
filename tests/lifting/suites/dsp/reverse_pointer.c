void reverse(const int *src, int *dst, int n) {
  const int *p = src + n - 1;
  for (int i = 0; i < n; i++) *dst++ = *p--;
}
