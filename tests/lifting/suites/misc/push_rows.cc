#include <vector>
using std::vector;
vector<vector<int>> scale_rows(const vector<vector<int>> &a, int k) {
  vector<vector<int>> out(a.size());
  for (size_t i = 0; i < a.size(); i++)
    for (size_t j = 0; j < a[i].size(); j++) out[i].push_back(a[i][j] * k);
  return out;
}
