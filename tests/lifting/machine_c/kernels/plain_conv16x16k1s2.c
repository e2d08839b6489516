#include <stdint.h>
void conv(const int8_t in[1][16][16][32], const int8_t w[1][1][32][32], const int32_t bias[32], int8_t out[1][8][8][32]) {
for (int b=0;b<1;b++) for (int y=0;y<8;y++) for (int x=0;x<8;x++) for (int c=0;c<32;c++) { int32_t s=bias[c];
for (int r=0;r<1;r++) for (int q=0;q<1;q++) for (int i=0;i<32;i++)  s+=in[b][y*2+r-0][x*2+q-0][i]*w[r][q][i][c];
out[b][y][x][c]= s>127?127:s<-128?-128:s; } }
