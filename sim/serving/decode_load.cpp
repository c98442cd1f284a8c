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

StepLoad DecodeLoads::of(double decoding) const {
  StepLoad load;
  const double each = std::max(decoding / groups_, std::min(1.0, decoding));
  const double spread = largest_ / std::sqrt(std::max(1.0, each));
  const double most = 1 + dealt_ * spread;
  load.decode_sequences = groups_ * each * most;
  load.decode_context = mix_.decode_context *
                        (1 + spread * std::hypot(dealt_, std::sqrt(mix_.decode_context_scv))) /
                        most;
  return load;
}

}  // namespace tollgate
