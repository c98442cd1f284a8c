#pragma once
/// The selection rule of a gate, on fixed-point logits, for one token.

#include <cstdint>

#include "kernels/core/fixed_softmax.h"
#include "kernels/core/gate_spec.h"
#include "kernels/core/host_device.h"
#include "kernels/core/score.h"

namespace tollgate::kernels {

/// A gate at one layer with what its formulae need. `experts` counts all that can be chosen, zero
/// experts included. `bias` has `experts` values with `bias_fraction` bits or is null.
struct Gate {
  GateSpec spec;
  int experts;
  const std::int32_t* bias;
  const ScoreTables* scores;
};

/// Fraction bits of a bias: those of what it is added to.
TOLLGATE_HD constexpr int bias_fraction(const GateSpec& spec) {
  if (spec.bias != BiasMode::on_score) return kLogitFraction;
  return spec.score == ScoreFunction::softmax ? kSoftmaxFraction : kScoreFraction;
}

/// Whether experts are ranked on softmax(x) + b, and no longer on a function of their own logit.
TOLLGATE_HD inline bool ranks_probabilities(const Gate& gate) {
  return gate.bias != nullptr && gate.spec.bias == BiasMode::on_score &&
         gate.spec.score == ScoreFunction::softmax;
}

/// Whether the choice needs a `TokenScale`: softmax probabilities are ranked, or summed over a
/// group.
TOLLGATE_HD inline bool needs_token_scale(const Gate& gate) {
  if (ranks_probabilities(gate)) return true;
  const GateSpec& spec = gate.spec;
  return spec.score == ScoreFunction::softmax && spec.groups_kept < spec.groups &&
         spec.group_reduce == GroupReduce::top2_sum &&
         (spec.bias == BiasMode::none || spec.bias == BiasMode::on_score);
}

/// Whether backends evaluate every expert before they choose: softmax probabilities are compared,
/// or each group has a choice of its own. The others need no more than the largest logits.
TOLLGATE_HD inline bool evaluates_all(const Gate& gate) {
  return needs_token_scale(gate) || gate.spec.each_group;
}

/// x + b, both with 20 fraction bits; saturates above the least int32, which stands for "absent".
TOLLGATE_HD inline std::int32_t biased_logit(std::int32_t logit, std::int32_t bias) {
  const std::int64_t sum = static_cast<std::int64_t>(logit) + bias;
  constexpr std::int64_t kMost = 2147483647;
  return static_cast<std::int32_t>(sum < -kMost ? -kMost : (sum > kMost ? kMost : sum));
}

/// What experts are ranked on. Without a bias that is the logit, since every score function is
/// increasing; with one it is score + bias or logit + bias. `scale` matters only if
/// `ranks_probabilities`.
TOLLGATE_HD inline std::int32_t ranked_value(const Gate& gate, int expert, std::int32_t logit,
                                             const TokenScale& scale = {}) {
  if (gate.bias == nullptr) return logit;
  if (gate.spec.bias != BiasMode::on_score) return biased_logit(logit, gate.bias[expert]);
  if (gate.spec.score == ScoreFunction::softmax) {
    return probability(*gate.scores, scale, logit) + gate.bias[expert];
  }
  return score_of(*gate.scores, gate.spec.score, logit) + gate.bias[expert];
}

/// What a ranked value adds to the value of its group when that is a sum.
TOLLGATE_HD inline std::int32_t group_term(const Gate& gate, std::int32_t ranked,
                                           const TokenScale& scale) {
  const bool logits_are_ranked =
      gate.spec.bias == BiasMode::on_logit || gate.spec.bias == BiasMode::on_logit_and_weight;
  if (gate.bias != nullptr || logits_are_ranked) return ranked;
  if (gate.spec.score == ScoreFunction::softmax) return probability(*gate.scores, scale, ranked);
  return score_of(*gate.scores, gate.spec.score, ranked);
}

/// The value of a group from its two best ranked values, best first.
TOLLGATE_HD inline std::int64_t group_value(const Gate& gate, std::int32_t best,
                                            std::int32_t second, const TokenScale& scale) {
  if (gate.spec.group_reduce == GroupReduce::max) return best;
  return static_cast<std::int64_t>(group_term(gate, best, scale)) + group_term(gate, second, scale);
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
