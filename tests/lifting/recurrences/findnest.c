int k_findnest(int m, int n, const int a[m][n], int x) {
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++)
            if (a[i][j] == x) return i * n + j;
    return -1;
}
