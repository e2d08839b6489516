#define STORAGE_CLASS register
#define TYPE int

void pin_down(TYPE *x, TYPE *h, TYPE *y, int LENGTH) {
  STORAGE_CLASS TYPE *p_x = x;
  STORAGE_CLASS TYPE *p_h = h;
  STORAGE_CLASS TYPE i;

  for (i = 0; i < LENGTH; i++) {
    *p_x++ = 1;
    *p_h++ = 1;
  }
  *y = 0;
}
