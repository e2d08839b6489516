#include <vector>
#include <cmath>
using namespace std;
vector<vector<float>> normalize(vector<vector<float>> a) {
    vector<vector<float>> out = a;
    for (int i = 0; i < a.size(); i++) {
        float s = 0;
        for (int j = 0; j < a[0].size(); j++) s += a[i][j] * a[i][j];
        s = sqrt(s);
        for (int j = 0; j < a[0].size(); j++) out[i][j] = a[i][j] / s;
    }
    return out;
}
