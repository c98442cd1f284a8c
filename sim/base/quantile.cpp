#include "sim/base/quantile.h"

#include <algorithm>
#include <cmath>

namespace tollgate {

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  const double rank = std::floor(q * static_cast<double>(values.size() - 1) + 0.5);
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace tollgate
