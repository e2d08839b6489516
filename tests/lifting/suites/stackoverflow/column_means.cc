#include <vector>
using namespace std;
vector<double> average(vector<vector<int>> a) {
    vector<double> out(a[0].size(), 0.0);
    for (int j = 0; j < a[0].size(); j++) {
        double s = 0;
        for (int i = 0; i < a.size(); i++) s += (double)a[i][j];
        out[j] = s / (double)a.size();
    }
    return out;
}
