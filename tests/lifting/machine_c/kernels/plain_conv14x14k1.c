#include <stdint.h>
void conv(const int8_t in[2][14][14][64], const int8_t w[1][1][64][40], int8_t out[2][14][14][40]) {
for (int b=0;b<2;b++) for (int y=0;y<14;y++) for (int x=0;x<14;x++) for (int c=0;c<40;c++) { int32_t s=0;
for (int r=0;r<1;r++) for (int q=0;q<1;q++) for (int i=0;i<64;i++)  s+=in[b][y*1+r-0][x*1+q-0][i]*w[r][q][i][c];
s = s<0?0:s;out[b][y][x][c]= s>127?127:s<-128?-128:s; } }
