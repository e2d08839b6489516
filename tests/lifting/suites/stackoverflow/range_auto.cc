#include <vector>
using namespace std;
int total(const vector<vector<int>>& a) {
    int s = 0;
    for (const auto& row : a)
        for (auto x : row) s += x;
    return s;
}
