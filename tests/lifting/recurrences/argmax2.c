int k_argmax2(int n, const float a[n]) {
    int best = 0; float m = a[0];
    for (int i = 1; i < n; i++) if (a[i] > m) { m = a[i]; best = i; }
    return best;
}
