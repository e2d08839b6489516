#include <stdint.h>
void conv(const int8_t in[1][9][9][16], const int8_t w[3][3][16][16], const int32_t bias[16], int8_t out[1][9][9][16]) {
for (int b=0;b<1;b++) for (int y=0;y<9;y++) for (int x=0;x<9;x++) for (int c=0;c<16;c++) { int32_t s=bias[c];
for (int r=0;r<3;r++) for (int q=0;q<3;q++) for (int i=0;i<16;i++) if (y*1+r-1>=0 && y*1+r-1<9 && x*1+q-1>=0 && x*1+q-1<9)  s+=in[b][y*1+r-1][x*1+q-1][i]*w[r][q][i][c];
out[b][y][x][c]= s>127?127:s<-128?-128:s; } }
