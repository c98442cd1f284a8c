#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

namespace tollgate {

/// Simulated time in picoseconds. 2^63 ps are 106 days; requests may arrive in the first 53.
using Ticks = std::int64_t;

inline constexpr Ticks ticks_per_second = 1'000'000'000'000;
inline constexpr Ticks latest_arrival = Ticks{1} << 62;
/// A simulation that has not ended by then, 80 days, is given up.
inline constexpr Ticks latest_end = latest_arrival + latest_arrival / 2;
inline constexpr Ticks never = std::numeric_limits<Ticks>::max();

inline double to_seconds(Ticks t) {
  return static_cast<double>(t) / static_cast<double>(ticks_per_second);
}

inline Ticks in_ticks(double seconds) {
  return std::llround(seconds * static_cast<double>(ticks_per_second));
}

}  // namespace tollgate
