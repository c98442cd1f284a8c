#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "sim/serving/engine/emission_clock.h"
#include "sim/serving/engine/step_timer.h"

namespace tollgate {

/// A run of steps in which the same sequences decode and nothing else happens, in closed form.
struct StepRun {
  Ticks start = 0;      ///< of the first step
  DecodeLine line;      ///< times of its steps
  EmissionClock clock;  ///< as it stands at the start

  Ticks duration(std::int64_t steps) const {
    return steps * line.first + line.growth * clock.growth(steps);
  }
  /// When the first `steps` are over.
  Ticks end(std::int64_t steps) const { return start + duration(steps); }
  /// Time of the step that `before` others precede.
  Ticks step(std::int64_t before) const {
    return line.first + line.growth * (clock.after(before) - clock.now());
  }
  /// How many steps are shorter than `bound`, of which one is and which they do not all be.
  std::int64_t shorter_than(Ticks bound) const {
    return clock.steps_within(clock.now() + (bound - 1 - line.first) / line.growth) + 1;
  }
  /// How many of `steps` steps have ended, counting the start as one, before `limit`:
  /// the number of x >= 0 with duration(x) < `limit`, at most `steps`.
  std::int64_t ended_before(Ticks limit, std::int64_t steps) const {
    if (limit <= 0) return 0;
    const double a = 0.5 * clock.rate() * static_cast<double>(line.growth);
    const double b = static_cast<double>(line.first) - a;
    const double d = static_cast<double>(limit);
    double guess = a > 0 ? (std::sqrt(b * b + 4 * a * d) - b) / (2 * a) : d / b;
    guess = std::clamp(guess, 0.0, static_cast<double>(steps));
    // Only a first guess is in floating point; integers decide.
    auto x = static_cast<std::int64_t>(guess);
    while (x > 0 && duration(x - 1) >= limit) --x;
    while (x < steps && duration(x) < limit) ++x;
    return x;
  }
};

}  // namespace tollgate
