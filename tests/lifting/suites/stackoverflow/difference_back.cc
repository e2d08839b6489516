#include <vector>
using namespace std;
vector<double> diff(vector<double> a) {
    vector<double> out;
    for (int i = 1; i < a.size(); ++i) out.push_back(a[i] - a[i - 1]);
    return out;
}
