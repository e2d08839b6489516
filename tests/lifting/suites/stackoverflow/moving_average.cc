#include <vector>
using namespace std;
vector<int> moving(vector<int> a, int w) {
    vector<int> out;
    for (int i = 0; i <= (int)a.size() - w; i++) {
        int s = 0;
        for (int j = 0; j < w; j++) s += a[i + j];
        out.push_back(s / w);
    }
    return out;
}
