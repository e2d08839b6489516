int k_binary(int n, const int a[n], int x) {
    int low = 0, high = n - 1, found = -1;
    for (int step = 0; step < 32; step++) {
        if (low <= high && found < 0) {
            int middle = low + (high - low) / 2;
            if (a[middle] == x) found = middle;
            else if (a[middle] < x) low = middle + 1;
            else high = middle - 1;
        }
    }
    return found;
}
