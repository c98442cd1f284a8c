#pragma once

#include <string_view>

namespace tollgate {

/// Where a number comes from, best first. A result takes the worst of what matters in it.
enum class Provenance {
  exact,         ///< arithmetic on given facts
  fitted,        ///< a curve fitted to measurements, inside its range
  extrapolated,  ///< the same curve outside its range, or carried over from a sibling device
  assumed,       ///< no measurement behind it; the assumption is printed
};

std::string_view to_string(Provenance provenance);
Provenance worst(Provenance a, Provenance b);

/// A number with its P10-P90 band and its provenance. Invariant: low <= value <= high.
struct Estimate {
  double value = 0;
  double low = 0;
  double high = 0;
  Provenance provenance = Provenance::exact;
};

/// A value without uncertainty.
Estimate exactly(double value);

/// The band of a log-normal error with standard deviation `log_sd` (natural log, dimensionless)
/// around the median `value`: low = value exp(-1.2816 s), high = value exp(+1.2816 s), where 1.2816
/// is the 90 % quantile of the standard normal distribution.
Estimate with_log_sd(double value, double log_sd, Provenance provenance);

/// `factor` >= 0 times the estimate.
Estimate scaled(const Estimate& estimate, double factor);

/// `numerator` over the estimate: the band turns around. A zero estimate gives zero.
Estimate inverse(double numerator, const Estimate& estimate);

/// Sum of estimates whose errors move together (the bands add).
Estimate sum(const Estimate& a, const Estimate& b);

}  // namespace tollgate
