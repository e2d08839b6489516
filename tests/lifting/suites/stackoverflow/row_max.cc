#include <vector>
using namespace std;
vector<int> row_max(vector<vector<int>> a) {
    vector<int> out;
    for (int i = 0; i < a.size(); i++) {
        int best = a[i][0];
        for (int j = 1; j < a[i].size(); j++) best = max(best, a[i][j]);
        out.push_back(best);
    }
    return out;
}
