#pragma once

#include <string>
#include <vector>

#include "sim/pricing/capital.h"
#include "sim/pricing/energy.h"

namespace tollgate {

/// One part of what an accelerator costs by the hour.
struct CostLine {
  std::string name;  ///< rent, capital, electricity, colocation, staff, spares, licences, ...
  Estimate usd_per_gpu_hour;
  std::string source;
  std::string date;  ///< of the price it is made from; "" = given by the scenario
};

/// What one accelerator costs for one hour in which it can be used.
struct CostStack {
  std::string level;  ///< on-demand, spot, rent-3yr, owned, ...
  std::vector<CostLine> lines;

  /// Sum of the lines; their errors are taken to move together.
  Estimate total() const;
};

/// Terms of a rent beyond its hourly price.
struct RentTerms {
  double interruption = 0;  ///< share of paid hours lost to interruptions and restarts, 0 <= s < 1
  double upfront = 0;       ///< share of a reservation paid at its start, 0..1
  double years = 1;         ///< length of the reservation
  double wacc = 0.1;        ///< what the money paid upfront costs per year
};

/// Rent by the hour, with what interruptions and upfront payments add. Throws
/// std::invalid_argument.
CostStack rent_stack(const std::string& level, const CostLine& rent, const RentTerms& terms);

/// Yearly and monthly costs of owning beside capital and electricity.
struct OwnedRunning {
  double colocation_usd_per_kw_month = 0;  ///< space and connection, by power at the meter
  double staff_usd_per_hour = 0;           ///< per accelerator
  double spares_per_year = 0;              ///< share of the price of the accelerator
  double licences_usd_per_hour = 0;        ///< software, per accelerator
};

/// Owning an accelerator. Every line is per hour in which it can be used, so all of them are
/// divided by the availability. Lines that are zero are left out. Throws std::invalid_argument.
CostStack owned_stack(const OwnedCapital& capital, const CostLine& bought, const PowerDraw& draw,
                      double usd_per_kwh, const CostLine& power, const OwnedRunning& running);

}  // namespace tollgate
