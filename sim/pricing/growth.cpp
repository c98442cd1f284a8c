#include "sim/pricing/growth.h"

#include <cmath>

#include "sim/pricing/arguments.h"

namespace tollgate {
namespace {

bool near(double a, double b) {
  constexpr double tolerance = 1.1;
  return a < b * tolerance && b < a * tolerance;
}

}  // namespace

Growth growth_from_rate(double yearly_rate, double years) {
  require_positive(1 + yearly_rate, "one plus the yearly growth");
  require_positive(years, "the number of years");
  const double multiple = std::pow(1 + yearly_rate, years);
  require_positive(multiple, "the growth over all years");
  return {multiple, yearly_rate};
}

Growth growth_from_multiple(double multiple, double years) {
  return {multiple, growth_per_step(multiple, years)};
}

GrowthReading reconcile(double yearly_rate, double multiple, double years) {
  require_positive(multiple, "the growth multiple");
  if (near(growth_from_rate(yearly_rate, years).multiple, multiple)) return GrowthReading::agree;
  if (yearly_rate > 0 && near(std::pow(yearly_rate, years), multiple))
    return GrowthReading::rate_is_multiple;
  return GrowthReading::contradict;
}

double growth_per_step(double multiple, double steps) {
  require_positive(multiple, "the growth multiple");
  require_positive(steps, "the number of steps");
  const double rate = std::pow(multiple, 1 / steps);
  require_positive(rate, "the growth per step");
  return rate - 1;
}

}  // namespace tollgate
