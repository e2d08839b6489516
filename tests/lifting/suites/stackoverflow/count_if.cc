#include <vector>
using namespace std;
int count_if(vector<int> a, vector<int> b, int t) {
    int c = 0;
    for (int i = 0; i < a.size(); i++)
        if ((a[i] > t && b[i] < t) || !(a[i] % 2)) c++;
    return c;
}
