#include <vector>
using namespace std;
vector<vector<int>> f(vector<vector<int>> a) {
    vector<vector<int>> out(a.size());
    for (int i = 0; i < a.size(); i++)
        for (int j = 0; j < a[0].size(); j++)
            out[i].push_back(2 * a[i][j]);
    return out;
}
