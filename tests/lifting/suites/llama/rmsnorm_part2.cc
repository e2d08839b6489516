#include <vector>
#include <cmath>
using namespace std;

vector<float> rmsnorm_part2(vector<float> input, vector<float> weight, float ss) {
  vector<float> output;
  int size = input.size();
  float inv_ss = 1 / sqrt(ss / size + 1);
  for (int i = 0; i < size; i++)
    output.push_back(inv_ss * input[i] * weight[i]);
  return output;
}
