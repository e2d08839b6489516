#include <vector>
using namespace std;
bool all(vector<int> a) {
    bool ok = true;
    for (int i = 0; i < a.size(); i++) {
        if (a[i] <= 0) { ok = false; break; }
    }
    return ok;
}
