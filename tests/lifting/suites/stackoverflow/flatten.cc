#include <vector>
using namespace std;
vector<int> flatten(vector<vector<int>> a) {
    vector<int> out;
    for (int i = 0; i < a.size(); i++)
        for (int j = 0; j < a[0].size(); j++) out.push_back(a[i][j]);
    return out;
}
