#include "sim/pricing/fleet.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "sim/pricing/arguments.h"

namespace tollgate {

Fleet fleet_for(double tokens_per_second, const FleetUnit& unit, double pue) {
  require_positive(tokens_per_second, "the demand");
  require_positive(unit.tokens_per_second_per_gpu, "the throughput");
  require_fraction(unit.utilisation, "the utilisation");
  require_positive(unit.gpus_per_replica, "the number of accelerators");
  require_not_negative(unit.watts_per_gpu, "the power");
  require_not_negative(unit.usd_per_gpu_hour, "the price per GPU-hour");
  if (!(pue >= 1 && pue < 10)) throw std::invalid_argument("the PUE must be 1 to 10.");
  constexpr double hours_per_day = 24, seconds_per_day = 86400, watts_per_megawatt = 1e6;
  const Estimate needed = inverse(tokens_per_second / unit.utilisation / unit.gpus_per_replica,
                                  unit.tokens_per_second_per_gpu);
  // An exact division that comes out a rounding error above a whole number is that number.
  const auto whole = [](double x) { return std::max(1.0, std::ceil(x * (1 - 1e-12))); };
  Fleet fleet;
  fleet.replicas = {whole(needed.value), whole(needed.low), whole(needed.high), needed.provenance};
  fleet.gpus = scaled(fleet.replicas, unit.gpus_per_replica);
  fleet.megawatts = scaled(fleet.gpus, unit.watts_per_gpu * pue / watts_per_megawatt);
  fleet.usd_per_day = scaled(fleet.gpus, hours_per_day * unit.usd_per_gpu_hour);
  fleet.usd_per_million_tokens =
      scaled(fleet.usd_per_day, 1e6 / (tokens_per_second * seconds_per_day));
  return fleet;
}

}  // namespace tollgate
