#include <vector>
#include <cstdint>
using namespace std;
vector<vector<uint8_t>> multiply(vector<vector<uint8_t>> base, vector<vector<uint8_t>> active) {
    vector<vector<uint8_t>> out;
    uint8_t m = base.size();
    uint8_t n = base[0].size();
    for (uint8_t row = 0; row < m; row++) {
        vector<uint8_t> row_vec;
        for (uint8_t col = 0; col < n; col++) {
            uint8_t pixel = (base[row][col] * active[row][col]) / 255;
            row_vec.push_back(pixel);
        }
        out.push_back(row_vec);
    }
    return out;
}
