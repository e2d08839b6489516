#define IH 9
#define IW 9
#define OH 5
#define OW 5
void forward_maxpool(const int *input, int *output) {
  int i, j, n, m;
  for (i = 0; i < OH; ++i) {
    for (j = 0; j < OW; ++j) {
      int max = -2147483647 - 1;
      for (n = 0; n < 3; ++n) {
        for (m = 0; m < 3; ++m) {
          int cur_h = -1 + i * 2 + n;
          int cur_w = -1 + j * 2 + m;
          int index = cur_w + IW * cur_h;
          int valid = (cur_h >= 0 && cur_h < IH && cur_w >= 0 && cur_w < IW);
          int val = (valid != 0) ? input[index] : -2147483647 - 1;
          max = (val > max) ? val : max;
        }
      }
      output[j + OW * i] = max;
    }
  }
}
