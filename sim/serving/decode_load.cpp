#include "sim/serving/decode_load.h"

#include <algorithm>
#include <cmath>

#include "sim/serving/prompt_step.h"

namespace tollgate {
namespace {

/// Spread of the numbers of sequences that are dealt out in turn, over that of numbers by chance;
/// from simulations of closed loops.
constexpr double uneven_turns = 0.5;

}  // namespace

DecodeLoads::DecodeLoads(const WorkloadMix& mix, double groups, SchedulingPolicy policy)
    : mix_(mix),
      groups_(groups),
      largest_(largest_of_normals(groups)),
      dealt_(policy == SchedulingPolicy::prefill_first ? uneven_turns : 0) {}

StepLoad DecodeLoads::load(double each, double most) const {
  StepLoad load;
  const double spread = largest_ / std::sqrt(std::max(1.0, each));
  load.decode_sequences = groups_ * each * most;
  load.decode_context = mix_.decode_context *
                        (1 + spread * std::hypot(dealt_, std::sqrt(mix_.decode_context_scv))) /
                        most;
  return load;
}

StepLoad DecodeLoads::of(double decoding) const {
  const double each = std::max(decoding / groups_, std::min(1.0, decoding));
  return load(each, 1 + dealt_ * largest_ / std::sqrt(std::max(1.0, each)));
}

StepLoad DecodeLoads::of(double decoding, double variance) const {
  const double each = decoding / groups_;
  if (groups_ < 2 || dealt_ > 0 || each < 1) return of(decoding);
  // E[ceil(n / groups)] of a normal n: the sum over k of P(n > k x groups).
  const double deviation = std::max(0.1, std::sqrt(variance));
  double k = std::max(0.0, std::floor(each - 6 * deviation / groups_));
  double fullest = k;
  for (double beyond = 1; beyond > 1e-6; ++k) {
    beyond = 0.5 * std::erfc((k * groups_ + 0.5 - decoding) / (deviation * std::sqrt(2.0)));
    fullest += beyond;
  }
  return load(each, std::max(1.0, fullest / each));
}

}  // namespace tollgate
