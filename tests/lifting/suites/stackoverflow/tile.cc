#include <vector>
using namespace std;
vector<int> tile(vector<int> a, int n) {
    vector<int> out;
    for (int r = 0; r < n; r++)
        for (int i = 0; i < a.size(); i++) out.push_back(a[i]);
    return out;
}
