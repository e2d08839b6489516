#include <vector>
using namespace std;

vector<vector<int>> gemm(int alpha, int beta, vector<vector<int>> C, vector<vector<int>> A,
                         vector<vector<int>> B) {
  int i, j, k;
  vector<vector<int>> out;
  for (i = 0; i < C.size(); i++) {
    vector<int> row;
    for (j = 0; j < C[0].size(); j++) {
      int sum = 0;
      for (k = 0; k < A[0].size(); k++) sum += A[i][k] * B[k][j];
      row.push_back(alpha * sum + beta * C[i][j]);
    }
    out.push_back(row);
  }
  return out;
}
