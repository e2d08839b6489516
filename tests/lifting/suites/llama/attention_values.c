void attention_values(int pos, int head_size, int kv_dim, float* att, float* value_cache, float* xb) {
  for (int i = 0; i < head_size; i++) xb[i] = 0;
  for (int t = 0; t <= pos; t++) {
    float* v = value_cache + t * kv_dim;
    float a = att[t];
    for (int i = 0; i < head_size; i++) {
      xb[i] += a * v[i];
    }
  }
}
