#pragma once

#include "sim/pricing/tariff.h"

namespace tollgate {

/// Why machines serve less on average than they could.
struct UtilisationParts {
  double diurnal = 1;       ///< mean load over the load at the busiest hour
  double headroom = 0;      ///< share of capacity kept free at the busiest hour, 0 <= h < 1
  double availability = 1;  ///< share of capacity that is up
};

/// Time-average over largest throughput: diurnal x (1 - headroom) x availability. Throws
/// std::invalid_argument for parts outside their ranges.
double utilisation_of(const UtilisationParts& parts);

/// Mean over largest of the hours of a day. Throws where the load is negative or nothing.
double mean_over_peak(const HourlyLoad& load);

}  // namespace tollgate
