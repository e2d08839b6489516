#include <vector>
using namespace std;
bool any(vector<int> a) {
    for (int i = 0; i < a.size(); i++)
        if (a[i]) return true;
    return false;
}
