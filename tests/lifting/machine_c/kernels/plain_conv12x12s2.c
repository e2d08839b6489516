#include <stdint.h>
void conv(const int8_t in[1][12][12][20], const int8_t w[3][3][20][24], const int32_t bias[24], int8_t out[1][5][5][24]) {
for (int b=0;b<1;b++) for (int y=0;y<5;y++) for (int x=0;x<5;x++) for (int c=0;c<24;c++) { int32_t s=bias[c];
for (int r=0;r<3;r++) for (int q=0;q<3;q++) for (int i=0;i<20;i++)  s+=in[b][y*2+r-0][x*2+q-0][i]*w[r][q][i][c];
out[b][y][x][c]= s>127?127:s<-128?-128:s; } }
