void test(int8_t A[128][128], int8_t B[128][128], int8_t C[128][128]) {
    config_ex(WEIGHT_STATIONARY, NO_ACTIVATION, 1, false, false);
    config_st(128 * sizeof(int8_t));
    config_ld(128 * sizeof(int8_t), 1.0f, 16, 0);
    config_ld(128 * sizeof(int8_t), 1.0f, 16, 1);
    static uint32_t A_sp[2] = {0, 0x1000};
    uint32_t B_sp_base = 0x2000;
    const uint32_t acc_start = 1 << 31;
    // Load all of B
    for (int_fast32_t k = 0; k < 8; k++) {
        for (int_fast32_t j = 0; j < 2; j++) {
            mvin2(&B[k * 16][j * 64], B_sp_base + (k * 8 + j * 4) * 16, 64, 16);
        }
    }
    uint32_t cur = 0;
    for (int_fast32_t k = 0; k < 2; k++) mvin(&A[0][k * 64], A_sp[0] + k * 64, 64, 16);
    for (int_fast32_t i = 0; i < 8; i++) {
        if (i < 7) {
            for (int_fast32_t k = 0; k < 2; k++)
                mvin(&A[(i + 1) * 16][k * 64], A_sp[cur ^ 1] + k * 64, 64, 16);
        }
        for (int_fast32_t j = 0; j < 8; j++) {
            uint32_t C_acc = acc_start + (i % 2) * 512 + j * 16;
            for (int_fast32_t k = 0; k < 8; k++) {
                uint32_t out = k == 0 ? C_acc : (C_acc | (1 << 30));
                preload(B_sp_base + (k * 8 + j) * 16, out, 16, 16, 16, 16);
                compute_preloaded(A_sp[cur] + k * 16, 0xffffffff, 16, 16, 16, 16);
            }
        }
        for (int_fast32_t j = 0; j < 2; j++)
            mvout(&C[i * 16][j * 64], acc_start + (i % 2) * 512 + j * 64, 64, 16);
        cur ^= 1;
    }
    fence();
}
