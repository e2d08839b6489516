int k_second(int n, const int a[n]) {
    int m1 = -2147483647-1, m2 = -2147483647-1;
    for (int i = 0; i < n; i++) {
        if (a[i] > m1) { m2 = m1; m1 = a[i]; } else if (a[i] > m2) m2 = a[i];
    }
    return m2;
}
