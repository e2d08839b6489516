void k_ema(int n, const float x[n], float y[n], float alpha) {
    float s = x[0];
    for (int i = 0; i < n; i++) { s = alpha * x[i] + (1 - alpha) * s; y[i] = s; }
}
