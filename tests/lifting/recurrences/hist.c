void k_hist(int n, const unsigned char a[n], int h[256]) {
    for (int i = 0; i < 256; i++) h[i] = 0;
    for (int i = 0; i < n; i++) h[a[i]]++;
}
