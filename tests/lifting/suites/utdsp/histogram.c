void histogram(int* histogram, int L) {
  for (int i = 0; i < L; ++i)
    histogram[i] = 0;
}
