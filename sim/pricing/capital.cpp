#include "sim/pricing/capital.h"

#include <cmath>
#include <stdexcept>

#include "sim/pricing/arguments.h"

namespace tollgate {
namespace {

constexpr double hours_per_year = 8760;

void require_share(double value, const char* what) {
  require_not_negative(value, what);
  if (value > 1) throw std::invalid_argument(std::string(what) + " must be at most 1.");
}

}  // namespace

double capital_recovery_factor(double rate, double years) {
  require_not_negative(rate, "the cost of capital");
  require_positive(years, "the years of use");
  // r / (1 - (1+r)^-n), without cancellation for small rates.
  const double grown = years * std::log1p(rate);
  return grown < 1e-12 ? 1 / years : rate / -std::expm1(-grown);
}

double sinking_fund_factor(double rate, double years) {
  const double grown = years * std::log1p(rate);
  const double factor = capital_recovery_factor(rate, years);
  return grown < 1e-12 ? factor : rate / std::expm1(grown);
}

double capital_usd_per_hour(const OwnedCapital& c) {
  require_not_negative(c.usd, "the price of the accelerator");
  require_share(c.salvage, "the salvage value");
  require_fraction(c.availability, "the availability");
  const double per_year = c.usd * (capital_recovery_factor(c.wacc, c.years) -
                                   c.salvage * sinking_fund_factor(c.wacc, c.years));
  return per_year / (hours_per_year * c.availability);
}

double upfront_premium(double share, double wacc, double years) {
  require_share(share, "the share paid upfront");
  return share * (years * capital_recovery_factor(wacc, years) - 1);
}

}  // namespace tollgate
