#include <vector>
using namespace std;
vector<vector<int>> onehot(vector<int> labels, int k) {
    vector<vector<int>> out;
    for (int i = 0; i < labels.size(); i++) {
        vector<int> row(k, 0);
        for (int j = 0; j < k; j++) if (labels[i] == j) row[j] = 1;
        out.push_back(row);
    }
    return out;
}
