#include <vector>
using namespace std;

vector<vector<int>> transpose(vector<vector<int>> a) {
  vector<vector<int>> out;
  for (int j = 0; j < a[0].size(); j++) {
    vector<int> row;
    for (int i = 0; i < a.size(); i++) row.push_back(a[i][j]);
    out.push_back(row);
  }
  return out;
}
