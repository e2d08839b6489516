float k_horner(int n, const float c[n], float x) {
    float s = 0;
    for (int i = n - 1; i >= 0; i--) s = s * x + c[i];
    return s;
}
