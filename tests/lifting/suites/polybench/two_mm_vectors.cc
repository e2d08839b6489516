#include <vector>
using namespace std;
vector<vector<int>> mm2(int alpha, int beta, vector<vector<int>> A, vector<vector<int>> B, vector<vector<int>> C, vector<vector<int>> D) {
    vector<vector<int>> tmp;
    for (int i = 0; i < A.size(); i++) {
        vector<int> row;
        for (int j = 0; j < B[0].size(); j++) {
            int acc = 0;
            for (int k = 0; k < A[0].size(); k++) acc += alpha * A[i][k] * B[k][j];
            row.push_back(acc);
        }
        tmp.push_back(row);
    }
    vector<vector<int>> out;
    for (int i = 0; i < A.size(); i++) {
        vector<int> row;
        for (int j = 0; j < D[0].size(); j++) {
            int acc = D[i][j] * beta;
            for (int k = 0; k < B[0].size(); k++) acc += tmp[i][k] * C[k][j];
            row.push_back(acc);
        }
        out.push_back(row);
    }
    return out;
}
