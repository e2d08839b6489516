#include <vector>
using namespace std;
vector<int> cumsum(vector<int> a) {
    vector<int> out(a.size());
    int s = 0;
    for (int i = 0; i < a.size(); i++) { s += a[i]; out[i] = s; }
    return out;
}
