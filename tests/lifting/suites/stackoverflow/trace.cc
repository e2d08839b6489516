#include <vector>
using namespace std;
int trace(vector<vector<int>> a) {
    int s = 0;
    for (int i = 0; i < a.size(); i++) s += a[i][i];
    return s;
}
