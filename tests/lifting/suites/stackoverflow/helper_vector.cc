#include <vector>
using namespace std;
int dot(const vector<int>& a, const vector<int>& b) {
    int s = 0;
    for (int i = 0; i < a.size(); i++) s += a[i] * b[i];
    return s;
}
vector<int> matvec(vector<vector<int>> m, vector<int> x) {
    vector<int> out;
    for (int i = 0; i < m.size(); i++) out.push_back(dot(m[i], x));
    return out;
}
