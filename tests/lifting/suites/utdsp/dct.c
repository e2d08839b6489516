#define B 8
void dct(float block[B][B], float cos1[B][B], float cos2[B][B], float out[B][B]) {
  int i, j, k;
  float temp2d[B][B];
  for (i = 0; i < B; i++)
    for (j = 0; j < B; j++) {
      float sum = 0.0;
      for (k = 0; k < B; k++)
        sum += block[i][k] * cos2[k][j];
      temp2d[i][j] = sum;
    }
  for (i = 0; i < B; i++)
    for (j = 0; j < B; j++) {
      float sum = 0.0;
      for (k = 0; k < B; k++)
        sum += cos1[i][k] * temp2d[k][j];
      out[i][j] = sum;
    }
}
