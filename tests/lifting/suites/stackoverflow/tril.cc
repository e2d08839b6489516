#include <vector>
using namespace std;
vector<vector<int>> tril(vector<vector<int>> a) {
    vector<vector<int>> out;
    for (int i = 0; i < a.size(); i++) {
        vector<int> row;
        for (int j = 0; j < a[0].size(); j++) {
            if (j <= i) row.push_back(a[i][j]);
            else row.push_back(0);
        }
        out.push_back(row);
    }
    return out;
}
