void k_iir(int n, const float x[n], float y[n], float a, float b) {
    float s = 0.0f;
    for (int i = 0; i < n; i++) { s = a * s + b * x[i]; y[i] = s; }
}
