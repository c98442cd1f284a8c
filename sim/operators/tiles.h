#pragma once

#include <algorithm>
#include <cstdint>

#include "sim/operators/device.h"

namespace tollgate {

/// ceil() of a shape that fits an integer; the library's is a call without SSE4.1.
inline double round_up(double x) {
  const auto whole = static_cast<double>(static_cast<std::int64_t>(x));
  return whole + (whole < x ? 1 : 0);
}

/// Processors that share the peak; 128 where a datasheet is silent.
inline double processors_of(const Device& d) { return d.processors > 0 ? d.processors : 128; }

/// Last-level cache over memory bandwidth: about 12 over 3 TB/s on H100, assumed elsewhere.
constexpr double cache_speed = 4;

/// Bytes an operator touches, and those of them that come from memory.
struct Traffic {
  double all, memory;
};

/// Weights read again and again by a benchmark that cycles through `copies` of them: all from the
/// last-level cache until a cycle fills `share` of it, none at 1.3 times that: what is used in turn
/// is evicted before its turn (L40S: 2 TB/s up to 101 MB, 0.65 TB/s from 110 MB on).
/// `others` are bytes that a cycle passes beside them, such as further copies of the activations.
/// `copies` 0: everything from memory, as in serving, where a step sweeps through all layers.
inline Traffic traffic_of(double weights, double activations, double copies, double share,
                          const Device& d, double others = 0) {
  const double all = weights + activations, cache = share * d.l2;
  if (copies <= 0 || cache <= 0) return {all, all};
  const double over = (copies * weights + activations + others) / cache - 1;
  return {all, all * std::clamp(over / 0.3, 0.0, 1.0)};
}

/// `cached` is the time of a cached byte over one from memory at full bandwidth.
inline double seconds_of(const Traffic& t, double bandwidth, double share,
                         double cached = 1 / cache_speed) {
  return (t.memory / share + (t.all - t.memory) * cached) / bandwidth;
}

}  // namespace tollgate
