#include <vector>
int total(const std::vector<int> &v) {
  int s = 0;
  for (auto x : v) s += x;
  return s;
}
