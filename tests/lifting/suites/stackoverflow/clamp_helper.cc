#include <vector>
#include <algorithm>
using namespace std;
static inline int clampi(int x, int lo, int hi) { return x < lo ? lo : (x > hi ? hi : x); }
vector<int> clamp_all(vector<int> x) {
    vector<int> y(x.size());
    for (size_t i = 0; i < x.size(); i++) y[i] = clampi(x[i], -10, 10);
    return y;
}
