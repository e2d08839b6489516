#include <vector>
#include <cstddef>
std::vector<float> matvec(const std::vector<std::vector<float>> &m, const std::vector<float> &v) {
  std::vector<float> r(m.size(), 0.0f);
  for (std::size_t i = 0; i < m.size(); ++i)
    for (std::size_t j = 0; j < v.size(); ++j) r[i] += m[i][j] * v[j];
  return r;
}
