#include "sim/pricing/utilisation.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "sim/pricing/arguments.h"

namespace tollgate {

double utilisation_of(const UtilisationParts& parts) {
  require_fraction(parts.diurnal, "the mean over the peak load");
  require_not_negative(parts.headroom, "the headroom");
  if (parts.headroom >= 1) throw std::invalid_argument("the headroom must be below 1.");
  require_fraction(parts.availability, "the availability");
  return parts.diurnal * (1 - parts.headroom) * parts.availability;
}

double mean_over_peak(const HourlyLoad& load) {
  for (const double hour : load) require_not_negative(hour, "the load of an hour");
  const double peak = *std::max_element(load.begin(), load.end());
  require_positive(peak, "the load of the busiest hour");
  return std::accumulate(load.begin(), load.end(), 0.0) / static_cast<double>(load.size()) / peak;
}

}  // namespace tollgate
