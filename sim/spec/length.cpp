#include <algorithm>
#include <cmath>

#include "sim/base/portable_math.h"
#include "sim/spec/length_spec.h"

namespace tollgate {
namespace {

/// Integral of the piecewise-linear inverse CDF from 0 to p.
double integral_to(const std::vector<double>& quantiles, double p) {
  const double scaled = p * static_cast<double>(quantiles.size() - 1);
  const auto whole = std::min(static_cast<std::size_t>(scaled), quantiles.size() - 2);
  double sum = 0;
  for (std::size_t i = 0; i < whole; ++i) sum += (quantiles[i] + quantiles[i + 1]) / 2;
  const double x = scaled - static_cast<double>(whole);
  sum += x * (quantiles[whole] + x * (quantiles[whole + 1] - quantiles[whole]) / 2);
  return sum / static_cast<double>(quantiles.size() - 1);
}

}  // namespace

double LengthSpec::average() const {
  switch (kind) {
    case LengthKind::fixed:
      return tokens;
    case LengthKind::uniform:
      return (low + high) / 2;
    case LengthKind::lognormal:
      return mean;
    case LengthKind::quantiles:
      return integral_to(quantiles, 1);
  }
  return 0;
}

std::vector<double> LengthSpec::bins(int count, double longest) const {
  std::vector<double> values;
  if (kind == LengthKind::fixed || (kind == LengthKind::lognormal && sigma == 0)) {
    values.assign(1, average());
  } else if (kind == LengthKind::lognormal) {
    // Mean over (z_i, z_i+1): mean x (Phi(z_i+1 - sigma) - Phi(z_i - sigma)) x bins.
    double below = 0;
    for (int i = 1; i <= count; ++i) {
      const double upto =
          i == count ? 1
                     : portable::normal_cdf(
                           portable::normal_quantile(static_cast<double>(i) / count) - sigma);
      values.push_back(mean * (upto - below) * count);
      below = upto;
    }
  } else {
    const std::vector<double> ends{low, high};
    const std::vector<double>& inverse = kind == LengthKind::uniform ? ends : quantiles;
    double below = 0;
    for (int i = 1; i <= count; ++i) {
      const double upto = integral_to(inverse, static_cast<double>(i) / count);
      values.push_back((upto - below) * count);
      below = upto;
    }
  }
  for (double& value : values) value = std::clamp(value, 1.0, longest);
  return values;
}

}  // namespace tollgate
