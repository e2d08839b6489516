#include <vector>
using namespace std;

vector<vector<vector<int>>> bmm(const vector<vector<vector<int>>>& a, const vector<vector<vector<int>>>& b) {
  vector<vector<vector<int>>> out;
  for (int n = 0; n < a.size(); n++) {
    vector<vector<int>> plane;
    for (int i = 0; i < a[0].size(); i++) {
      vector<int> row;
      for (int j = 0; j < b[0][0].size(); j++) {
        int acc = 0;
        for (int k = 0; k < a[0][0].size(); k++) acc += a[n][i][k] * b[n][k][j];
        row.push_back(acc);
      }
      plane.push_back(row);
    }
    out.push_back(plane);
  }
  return out;
}
