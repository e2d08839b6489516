#include <vector>
using namespace std;
int total(vector<int> a) {
    int s = 0;
    for (int x : a) s += x;
    return s;
}
