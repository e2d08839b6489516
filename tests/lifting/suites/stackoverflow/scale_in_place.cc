#include <vector>
void scale(std::vector<float>& x, float a) {
    for (size_t i = 0; i < x.size(); ++i) x[i] *= a;
}
