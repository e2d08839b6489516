#include <vector>
using namespace std;

void clip(vector<vector<float>>& x, float low, float high) {
  for (int i = 0; i < x.size(); i++)
    for (int j = 0; j < x[i].size(); j++) {
      if (x[i][j] < low) x[i][j] = low;
      else if (x[i][j] > high) x[i][j] = high;
    }
}
