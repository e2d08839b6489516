int dw(const int *p, int n) {
    int s = 0, i = 0;
    do { s += p[i]; i++; } while (i < n);
    return s;
}
