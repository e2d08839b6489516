#include <vector>
using namespace std;

int argmax(vector<int> values) {
  int best = 0;
  for (int i = 1; i < values.size(); i++) {
    if (values[i] > values[best]) best = i;
  }
  return best;
}
