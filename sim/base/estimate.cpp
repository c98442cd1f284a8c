#include "sim/base/estimate.h"

#include <algorithm>
#include <cmath>

namespace tollgate {

std::string_view to_string(Provenance provenance) {
  switch (provenance) {
    case Provenance::exact:
      return "exact";
    case Provenance::fitted:
      return "fitted";
    case Provenance::extrapolated:
      return "extrapolated";
    case Provenance::assumed:
      return "assumed";
  }
  return "assumed";
}

Provenance worst(Provenance a, Provenance b) { return std::max(a, b); }

Estimate exactly(double value) { return {value, value, value, Provenance::exact}; }

Estimate with_log_sd(double value, double log_sd, Provenance provenance) {
  constexpr double p90_normal = 1.2815515655446004;
  const double factor = std::exp(p90_normal * log_sd);
  return {value, value / factor, value * factor, provenance};
}

Estimate scaled(const Estimate& e, double factor) {
  return {e.value * factor, e.low * factor, e.high * factor, e.provenance};
}

Estimate inverse(double numerator, const Estimate& e) {
  if (e.value <= 0 || e.low <= 0 || e.high <= 0) return {0, 0, 0, e.provenance};
  return {numerator / e.value, numerator / e.high, numerator / e.low, e.provenance};
}

Estimate sum(const Estimate& a, const Estimate& b) {
  return {a.value + b.value, a.low + b.low, a.high + b.high, worst(a.provenance, b.provenance)};
}

}  // namespace tollgate
