#include <vector>
using namespace std;
vector<vector<int>> eye(int n) {
    vector<vector<int>> out(n, vector<int>(n, 0));
    for (int i = 0; i < n; i++) out[i][i] = 1;
    return out;
}
