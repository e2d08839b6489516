void add_array(int* a, int* b, int* c, int len) {
  for (int i = 0; i < len; i++)
    a[i] = b[i] + c[i];
}
