#include <vector>
using namespace std;
vector<vector<vector<int>>> outer3(vector<int> a, vector<int> b, vector<int> c) {
    vector<vector<vector<int>>> out(a.size(), vector<vector<int>>(b.size(), vector<int>(c.size(), 0)));
    for (int i = 0; i < a.size(); i++)
        for (int j = 0; j < b.size(); j++)
            for (int k = 0; k < c.size(); k++) out[i][j][k] = a[i] * b[j] + c[k];
    return out;
}
