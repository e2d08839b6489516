#include <vector>
using namespace std;
vector<vector<int>> reshape(vector<int> a, int m, int n) {
    vector<vector<int>> out;
    for (int i = 0; i < m; i++) {
        vector<int> row;
        for (int j = 0; j < n; j++) row.push_back(a[i * n + j]);
        out.push_back(row);
    }
    return out;
}
