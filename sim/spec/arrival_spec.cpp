#include "sim/spec/arrival_spec.h"

#include <algorithm>
#include <numeric>

namespace tollgate {

const std::vector<double>& hourly_rate() {
  static const std::vector<double> rate{1.206, 1.389, 2.034, 1.788, 1.064, 0.908, 0.749, 0.577,
                                        0.596, 0.664, 0.810, 0.830, 0.447, 0.545, 0.684, 0.704,
                                        0.878, 0.553, 0.749, 0.587, 1.240, 1.621, 2.194, 1.181};
  return rate;
}

std::vector<double> quarterly_rate(const ArrivalSpec& spec) {
  std::vector<TimeZone> zones = spec.time_zones;
  if (zones.empty()) zones.emplace_back();
  const std::vector<double>& hours = spec.hours.empty() ? hourly_rate() : spec.hours;
  constexpr std::size_t quarters = 96;
  std::vector<double> rate(quarters, 0.0);
  for (const TimeZone& zone : zones) {
    const auto shift = static_cast<std::size_t>(zone.utc_offset * 4 + quarters);
    for (std::size_t q = 0; q < quarters; ++q) {
      rate[q] += zone.share * hours[(q + shift) % quarters / 4];
    }
  }
  const double mean = std::accumulate(rate.begin(), rate.end(), 0.0) / quarters;
  for (double& r : rate) r /= mean;
  if (spec.peak_to_mean > 0) {
    const double peak = *std::max_element(rate.begin(), rate.end());
    const double stretch = peak > 1 ? (spec.peak_to_mean - 1) / (peak - 1) : 0;
    for (double& r : rate) r = 1 + stretch * (r - 1);
  }
  return rate;
}

}  // namespace tollgate
