typedef struct {
  int rows, cols;
  int *data;
} Matrix;
void mat_vec(const Matrix *m, const int *x, int *y) {
  for (int r = 0; r < m->rows; r++) {
    int s = 0;
    for (int c = 0; c < m->cols; c++) s += m->data[r * m->cols + c] * x[c];
    y[r] = s;
  }
}
