void mulmat_vec(int* m, int* v, int* out) {
  for (int i = 0; i < 4; i++) {
    out[i] = 0;
    for (int j = 0; j < 4; j++)
      out[i] += m[j * 4 + i] * v[j];
  }
}
