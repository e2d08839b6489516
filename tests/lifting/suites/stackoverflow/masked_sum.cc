#include <vector>
using namespace std;

int masked_sum(vector<int> a, vector<int> mask, int low, int high) {
  int total = 0;
  for (int i = 0; i < a.size(); i++) {
    if (mask[i] != 0 && a[i] >= low && !(a[i] > high)) total += a[i];
  }
  return total;
}
