void k_online(int m, int n, const float a[m][n], const float v[n][4], float out[m][4]) {
    for (int i = 0; i < m; i++) {
        float top = -8.0f, acc[4];
        for (int c = 0; c < 4; c++) acc[c] = 0.0f;
        for (int j = 0; j < n; j++) {
            float next = a[i][j] > top ? a[i][j] : top;
            for (int c = 0; c < 4; c++) acc[c] = acc[c] * (top - next) + v[j][c] * a[i][j];
            top = next;
        }
        for (int c = 0; c < 4; c++) out[i][c] = acc[c];
    }
}
