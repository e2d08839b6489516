// No loops at all, in the form that generators print.
void matmul(const int8_t A[16][64], const int8_t B[64][32], int8_t C[16][32]) {
  config_ex(WEIGHT_STATIONARY, NO_ACTIVATION, 1, false, false);
  config_ld(64, 1.000000, 16, 0);
  config_ld(32, 1.000000, 16, 1);
  config_st(32, 1.0);
  static uint32_t res_start = ((uint32_t)1) << (ADDR_LEN - 1);
  mvin(&A[0][0], 0, 64, 16);
  mvin2(&B[0][0], 4096, 32, 16);
  mvin2(&B[16][0], 4096 + 32, 32, 16);
  mvin2(&B[32][0], 4096 + 64, 32, 16);
  mvin2(&B[48][0], 4096 + 96, 32, 16);
  preload(4096, res_start, 16, 16, 16, 16);
  compute_preloaded(0, ~((uint32_t)0), 16, 16, 16, 16);
  preload(4096 + 32, res_start | 0x40000000, 16, 16, 16, 16);
  compute_preloaded(16, ~((uint32_t)0), 16, 16, 16, 16);
  preload(4096 + 64, res_start | 0x40000000, 16, 16, 16, 16);
  compute_preloaded(32, ~((uint32_t)0), 16, 16, 16, 16);
  preload(4096 + 96, res_start | 0x40000000, 16, 16, 16, 16);
  compute_preloaded(48, ~((uint32_t)0), 16, 16, 16, 16);
  preload(4096 + 16, res_start + 16, 16, 16, 16, 16);
  compute_preloaded(0, ~((uint32_t)0), 16, 16, 16, 16);
  preload(4096 + 48, (res_start + 16) | 0x40000000, 16, 16, 16, 16);
  compute_preloaded(16, ~((uint32_t)0), 16, 16, 16, 16);
  preload(4096 + 80, (res_start + 16) | 0x40000000, 16, 16, 16, 16);
  compute_preloaded(32, ~((uint32_t)0), 16, 16, 16, 16);
  preload(4096 + 112, (res_start + 16) | 0x40000000, 16, 16, 16, 16);
  compute_preloaded(48, ~((uint32_t)0), 16, 16, 16, 16);
  mvout(&C[0][0], res_start, 32, 16);
  fence();
}
