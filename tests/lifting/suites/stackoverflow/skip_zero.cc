#include <vector>
using namespace std;

vector<int> skip_zero(vector<int> a, vector<int> b) {
  vector<int> out(a.size());
  for (int i = 0; i < a.size(); i++) {
    out[i] = 0;
    if (b[i] == 0) continue;
    out[i] = a[i] / b[i];
  }
  return out;
}
