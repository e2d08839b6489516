#include <vector>
using namespace std;

vector<vector<vector<int>>> heat(vector<vector<vector<int>>> A, int n) {
  vector<vector<vector<int>>> B;
  for (int i = 1; i < n - 1; i++) {
    vector<vector<int>> plane;
    for (int j = 1; j < n - 1; j++) {
      vector<int> line;
      for (int k = 1; k < n - 1; k++) {
        line.push_back((A[i + 1][j][k] - 2 * A[i][j][k] + A[i - 1][j][k]) / 8 +
                       (A[i][j + 1][k] - 2 * A[i][j][k] + A[i][j - 1][k]) / 8 +
                       (A[i][j][k + 1] - 2 * A[i][j][k] + A[i][j][k - 1]) / 8 + A[i][j][k]);
      }
      plane.push_back(line);
    }
    B.push_back(plane);
  }
  return B;
}
