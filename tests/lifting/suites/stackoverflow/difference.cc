#include <vector>
std::vector<double> diff(const std::vector<double>& a) {
    std::vector<double> out;
    for (std::size_t i = 0; i + 1 < a.size(); ++i) out.push_back(a[i + 1] - a[i]);
    return out;
}
