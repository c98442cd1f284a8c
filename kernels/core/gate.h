#pragma once
/// The selection rule of a gate, on fixed-point logits, for one token.

#include <cstdint>

#include "kernels/core/gate_spec.h"
#include "kernels/core/host_device.h"
#include "kernels/core/score.h"

namespace tollgate::kernels {

/// A gate at one layer with what its formulae need. `bias` has `experts` values with 25 fraction
/// bits or is null.
struct Gate {
  GateSpec spec;
  int experts;
  const std::int32_t* bias;
  const ScoreTables* scores;
};

/// What experts are ranked on. Without a bias that is the logit, since every score function is
/// increasing; with a bias it is score + bias.
TOLLGATE_HD inline std::int32_t ranked_value(const Gate& gate, int expert, std::int32_t logit) {
  if (gate.bias == nullptr) return logit;
  return score_of(*gate.scores, gate.spec.score, logit) + gate.bias[expert];
}

/// What a ranked value adds to the value of its group when that is a sum.
TOLLGATE_HD inline std::int32_t group_term(const Gate& gate, std::int32_t ranked) {
  if (gate.bias != nullptr) return ranked;
  return score_of(*gate.scores, gate.spec.score, ranked);
}

/// The value of a group from its two best ranked values, best first.
TOLLGATE_HD inline std::int64_t group_value(const Gate& gate, std::int32_t best,
                                            std::int32_t second) {
  if (gate.spec.group_reduce == GroupReduce::max) return best;
  return static_cast<std::int64_t>(group_term(gate, best)) + group_term(gate, second);
}

/// Total order on (ranked value, expert): larger is better, equal values by lower expert id.
TOLLGATE_HD inline std::int64_t selection_key(std::int32_t ranked, int expert) {
  return static_cast<std::int64_t>(ranked) * (1 << 16) + (0xFFFF - expert);
}

TOLLGATE_HD inline int expert_of_key(std::int64_t key) {
  return 0xFFFF - static_cast<int>(key & 0xFFFF);
}

/// Bit g is set if group g is among the `groups_kept` best; equal values by lower group id.
TOLLGATE_HD inline std::uint64_t kept_groups(const GateSpec& spec, const std::int64_t* values) {
  std::uint64_t kept = 0;
  for (int n = 0; n < spec.groups_kept; ++n) {
    int best = -1;
    for (int g = 0; g < spec.groups; ++g) {
      const bool taken = ((kept >> g) & 1) != 0;
      if (!taken && (best < 0 || values[g] > values[best])) best = g;
    }
    kept |= std::uint64_t{1} << best;
  }
  return kept;
}

}  // namespace tollgate::kernels
