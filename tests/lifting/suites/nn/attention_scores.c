void scores(const float *q, const float *k, float *att, int pos, int head_size, float scale) {
  for (int t = 0; t <= pos; t++) {
    const float *kt = k + t * head_size;
    float s = 0.0f;
    for (int i = 0; i < head_size; i++) s += q[i] * kt[i];
    att[t] = s * scale;
  }
}
