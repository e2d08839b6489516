#include <vector>
using namespace std;
double variance(vector<double> x) {
    double mean = 0;
    for (int i = 0; i < x.size(); i++) mean += x[i];
    mean /= x.size();
    double var = 0;
    for (int i = 0; i < x.size(); i++) var += (x[i] - mean) * (x[i] - mean);
    return var / x.size();
}
