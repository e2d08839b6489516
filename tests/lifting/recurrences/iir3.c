void k_iir3(int n, const float x[n], float y[n], float a) {
    y[0] = x[0];
    for (int i = 1; i < n; i++) y[i] = x[i] + a * y[i-1];
}
