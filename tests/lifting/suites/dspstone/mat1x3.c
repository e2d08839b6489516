void mat1x3(int *h, int *x, int *y) {
  int i, f;
  int *p_x, *p_h, *p_y;

  p_h = &h[0];
  p_y = &y[0];

  for (i = 0; i < 3; i++) {
    *p_y = 0;
    p_x = &x[0];
    for (f = 0; f < 3; f++)
      *p_y += *p_h++ * *p_x++;
    p_y++;
  }
}
