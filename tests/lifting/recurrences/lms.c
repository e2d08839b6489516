void k_lms(int n, const float x[n], const float d[n], float e[n], float mu) {
    float w0 = 0.0f, w1 = 0.0f, last = 0.0f;
    for (int i = 0; i < n; i++) {
        float y = w0 * x[i] + w1 * last;
        float error = d[i] - y;
        w0 += mu * error * x[i];
        w1 += mu * error * last;
        last = x[i];
        e[i] = error;
    }
}
