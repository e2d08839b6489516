#include <vector>
using namespace std;

vector<vector<int>> outer_difference(vector<int> a, vector<int> b) {
  vector<vector<int>> out(a.size(), vector<int>(b.size()));
  for (int i = 0; i < a.size(); i++)
    for (int j = 0; j < b.size(); j++) out[i][j] = a[i] - b[j];
  return out;
}
