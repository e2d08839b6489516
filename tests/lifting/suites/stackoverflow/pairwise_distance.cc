#include <vector>
#include <cmath>
using namespace std;

vector<vector<float>> pairwise(vector<vector<float>> x, vector<vector<float>> y) {
  vector<vector<float>> out;
  for (size_t i = 0; i < x.size(); i++) {
    vector<float> row;
    for (size_t j = 0; j < y.size(); j++) {
      float d = 0;
      for (size_t k = 0; k < x[0].size(); k++) {
        float diff = x[i][k] - y[j][k];
        d += diff * diff;
      }
      row.push_back(sqrt(d));
    }
    out.push_back(row);
  }
  return out;
}
