void iir(int n, const float *x, float *y, float a, float b) {
    float s = 0;
    for (int i = 0; i < n; i++) { s = a * s + b * x[i]; y[i] = s; }
}
