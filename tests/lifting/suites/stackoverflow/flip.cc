#include <vector>
using namespace std;
vector<int> flip(vector<int> a) {
    int n = a.size();
    vector<int> out(n);
    for (int i = 0; i < n; i++) out[i] = a[n - 1 - i];
    return out;
}
