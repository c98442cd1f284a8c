#pragma once

#include <vector>

namespace tollgate {

/// The order statistic nearest to rank q (n - 1) of n values, 0 <= q <= 1; 0 of none.
double quantile(std::vector<double> values, double q);

}  // namespace tollgate
