#include <vector>
using namespace std;
vector<double> diff(vector<double> a) {
    vector<double> out(a.size() - 1);
    for (int i = 0; i < a.size() - 1; ++i) out[i] = a[i + 1] - a[i];
    return out;
}
