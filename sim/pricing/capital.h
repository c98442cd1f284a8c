#pragma once

namespace tollgate {

/// The share of a loan that is paid back each year, interest included: r (1+r)^n / ((1+r)^n - 1);
/// 1/n without interest. `rate` >= 0 per year, `years` > 0. Throws std::invalid_argument.
double capital_recovery_factor(double rate, double years);

/// The share of a sum that has to be saved each year to have it after n years: CRF - r.
double sinking_fund_factor(double rate, double years);

/// An accelerator that is bought, with its share of server and network.
struct OwnedCapital {
  double usd = 0;           ///< paid at the start
  double years = 4;         ///< of use
  double wacc = 0.1;        ///< weighted average cost of capital, per year
  double salvage = 0;       ///< share of the price it is sold for in the end, 0..1
  double availability = 1;  ///< share of hours in which it can be used, above 0
};

/// USD per hour in which it can be used: (price x CRF - salvage x SFF) / (8760 h x availability).
double capital_usd_per_hour(const OwnedCapital& capital);

/// What paying a share of a reservation at its start costs on top, as a share of the hourly price:
/// share x (years x CRF - 1). The rest is taken as paid by the hour.
double upfront_premium(double share, double wacc, double years);

}  // namespace tollgate
