#include "kernels/dispatch/distribution.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

namespace tollgate::kernels {

std::int64_t Distribution::sum() const {
  return std::accumulate(samples.begin(), samples.end(), std::int64_t{0});
}

double Distribution::mean() const {
  return samples.empty() ? 0.0 : static_cast<double>(sum()) / static_cast<double>(samples.size());
}

std::int64_t Distribution::min() const {
  return samples.empty() ? 0 : *std::min_element(samples.begin(), samples.end());
}

std::int64_t Distribution::max() const {
  return samples.empty() ? 0 : *std::max_element(samples.begin(), samples.end());
}

std::int64_t Distribution::percentile(double p) const {
  if (!(p > 0 && p <= 100)) {
    throw std::invalid_argument("The percentile is " + std::to_string(p) +
                                ", but must be above 0 and at most 100.");
  }
  if (samples.empty()) return 0;
  const auto wanted =
      static_cast<std::size_t>(std::ceil(p * static_cast<double>(samples.size()) / 100.0));
  std::vector<std::int64_t> sorted = samples;
  const auto nth =
      sorted.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(wanted, 1) - 1);
  std::nth_element(sorted.begin(), nth, sorted.end());
  return *nth;
}

}  // namespace tollgate::kernels
