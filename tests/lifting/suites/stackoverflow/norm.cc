#include <vector>
#include <cmath>
using namespace std;
double norm(vector<double> x) {
    double s = 0;
    for (int i = 0; i < x.size(); i++) s += pow(x[i], 2);
    return sqrt(s);
}
