#include <vector>
using namespace std;
vector<int> concat(vector<int> a, vector<int> b) {
    vector<int> out;
    for (int i = 0; i < a.size(); i++) out.push_back(a[i]);
    for (int i = 0; i < b.size(); i++) out.push_back(b[i]);
    return out;
}
