void k_columns(int m, int n, const int a[m][n], int out[n]) {
    for (int j = 0; j < n; j++) {
        int run = 0, best = 0;
        for (int i = 0; i < m; i++) {
            run = a[i][j] > 0 ? run + a[i][j] : 0;
            if (run > best) best = run;
        }
        out[j] = best;
    }
}
