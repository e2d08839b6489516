void k_iir2(int n, const float x[n], float y[n], float b0, float b1, float b2, float a1, float a2) {
    float x1 = 0, x2 = 0, y1 = 0, y2 = 0;
    for (int i = 0; i < n; i++) {
        float v = b0*x[i] + b1*x1 + b2*x2 - a1*y1 - a2*y2;
        x2 = x1; x1 = x[i]; y2 = y1; y1 = v; y[i] = v;
    }
}
