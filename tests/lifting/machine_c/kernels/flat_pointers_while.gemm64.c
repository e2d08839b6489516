#define DIM_I 64
#define DIM_J 64
#define DIM_K 64
#define MAT(p, s, r, c) ((elem_t *)(p) + (r) * (s) + (c))
static void load_panel(const elem_t *src, size_t stride, uint32_t sp, int n) {
  for (int t = 0; t < n; t++, sp += DIM) gemmini_extended_mvin(src + t * DIM, sp, DIM, DIM);
}
void kernel(elem_t A[64][64], elem_t B[64][64], elem_t C[64][64]) {
  const elem_t *a = &A[0][0];
  const elem_t *b = (const elem_t *)B;
  elem_t *c = (elem_t *)C;
  gemmini_config_ex(WS, NO_ACTIVATION, 0);
  gemmini_config_ld(DIM_K);
  gemmini_config_st(DIM_J);
  for (int k = 0; k < DIM_K / DIM; k++) load_panel(b + k * DIM * DIM_J, DIM_J, 1024 + k * 64, 4);
  for (int i = 0; i < DIM_I; i += DIM) {
    load_panel(a + i * DIM_K, DIM_K, 0, DIM_K / DIM);
    for (int j = 0; j < DIM_J / DIM; j++) {
      uint32_t acc = (1u << 31) + j * DIM;
      int k = 0;
      while (k < DIM_K / DIM) {
        gemmini_extended_preload(1024 + k * 64 + j * DIM, k ? acc | (1u << 30) : acc, DIM, DIM, DIM, DIM);
        gemmini_extended_compute_preloaded(k * DIM, GARBAGE_ADDR, DIM, DIM, DIM, DIM);
        k++;
      }
      gemmini_extended_mvout(MAT(c, DIM_J, i, j * DIM), acc, DIM, DIM);
    }
  }
  gemmini_fence();
}
