void even(int n, int *a) {
    for (int i = 0; i < n; i += 2) a[i] = 0;
}
