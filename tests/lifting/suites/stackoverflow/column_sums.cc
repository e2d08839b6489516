#include <vector>
using namespace std;

vector<int> column_sums(vector<vector<int>> a) {
  vector<int> sums(a[0].size(), 0);
  for (int i = 0; i < a.size(); i++)
    for (int j = 0; j < a[0].size(); j++) sums[j] += a[i][j];
  return sums;
}
