#pragma once

#include <cstdint>
#include <vector>

#include "sim/serving/engine/clock.h"
#include "sim/serving/workload/draws.h"
#include "sim/spec/arrival_spec.h"

namespace tollgate {

/// Times of arrivals, one after the other. A renewal process of unit rate, with gaps that are
/// constant, exponential or of a gamma distribution (Marsaglia and Tsang, ACM TOMS 26(3), 2000),
/// runs on a clock that goes as fast as the rate: constant, by the hour, or in two states (a
/// Markov-modulated Poisson process: Fischer and Meier-Hellstern, Performance Evaluation 18, 1993).
/// The mean rate over a long time is `rate` in every case. Units of the unit-rate process are whole
/// numbers, so that times do not depend on how they are added up.
class ArrivalProcess {
 public:
  /// `rate` per second, above 0.
  ArrivalProcess(const ArrivalSpec& spec, double rate, std::uint64_t seed);

  /// Not descending. Throws InputError for a time beyond the simulator's clock.
  Ticks next();

 private:
  std::int64_t gap();
  void next_segment();

  ArrivalKind kind_;
  std::uint64_t seed_;
  double shape_ = 1;  ///< gamma
  std::uint32_t arrivals_ = 0;
  kernels::Words4 words_{};
  std::int64_t units_ = 0;  ///< of the unit-rate process, 2^32 to an arrival

  // The stretch of constant rate that the clock is in.
  Ticks begin_ = 0, end_ = 0;
  std::int64_t units_at_begin_ = 0;
  double units_per_tick_ = 0;
  std::uint32_t segment_ = 0;

  // What the rate does.
  double mean_units_per_tick_;
  bool on_ = false;
  double on_seconds_ = 0, off_seconds_ = 0, on_rate_ = 1, off_rate_ = 1;
  std::vector<double> quarters_;
  Ticks day_begins_ = 0;  ///< before time 0
};

}  // namespace tollgate
