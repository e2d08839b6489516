void muleq(int* a, int* b, int len) {
  for (int i = 0; i < len; i++)
    a[i] *= b[i];
}
