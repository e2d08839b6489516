void dct8(const float in[8], const float table[8][8], float out[8]) {
  int u, x;
  for (u = 0; u < 8; u++) {
    float z = 0.0f;
    for (x = 0; x < 8; x++) z += in[x] * table[u][x];
    out[u] = z * 0.5f;
  }
}
