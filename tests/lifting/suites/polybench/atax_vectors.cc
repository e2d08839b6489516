#include <vector>
using namespace std;
vector<int> atax(vector<vector<int>> A, vector<int> x) {
    int m = A.size();
    int n = A[0].size();
    vector<int> tmp;
    for (int i = 0; i < m; i++) {
        int sum = 0;
        for (int j = 0; j < n; j++) sum += A[i][j] * x[j];
        tmp.push_back(sum);
    }
    vector<int> y;
    for (int j = 0; j < n; j++) {
        int sum = 0;
        for (int i = 0; i < m; i++) sum += A[i][j] * tmp[i];
        y.push_back(sum);
    }
    return y;
}
