#pragma once
/// The question put to the routing engine.

#include <cstdint>
#include <vector>

#include "kernels/core/gate_spec.h"
#include "kernels/core/hash_spec.h"
#include "kernels/core/popularity_spec.h"

namespace tollgate::kernels {

/// Draw `tokens` tokens at each of `layers` independent layers, route every one through the gate,
/// and take statistics over windows of consecutive tokens.
struct RoutingProblem {
  GateSpec gate;
  int experts = 0;  ///< routed experts with weights per layer; with zero experts 1..1024
  PopularitySpec popularity;

  /// Correction bias, in fixed point with `bias_fraction(gate)` bits (core/gate.h): 25 on scores,
  /// 30 on softmax scores, 20 on logits; |bias| <= 16, on softmax scores below 1. Empty (no bias:
  /// experts are ranked on the logit itself), `choices()` values (the same at every layer) or
  /// `layers * choices()` values.
  std::vector<std::int32_t> bias;

  /// Logarithms of given popularities, added to the logits of every context: fixed point with 20
  /// fraction bits, |value| <= 64. Empty, `choices()` values or `layers * choices()` values. Alone,
  /// with all sigmas zero, they are the popularity (`log_popularity` in generator/load_models.h).
  std::vector<std::int32_t> log_popularity;

  /// Where a hash-routed gate gets token ids and their experts.
  HashSpec hash;

  std::uint64_t seed = 0;    ///< everything random hangs on it, the popularity included
  std::uint32_t stream = 0;  ///< other tokens over the same popularity: trial, replica, step
  int layers = 1;
  int tokens = 0;  ///< drawn per layer, at most 2^24

  /// Window lengths, each 1..tokens. For length T the statistics are over the floor(tokens / T)
  /// disjoint consecutive windows of every layer; all lengths share the one token stream.
  std::vector<int> batch_sizes;

  /// Expert-parallel sizes, each 1..experts. Contiguous placement: rank r of R holds the experts
  /// [r * B, (r + 1) * B) with B = ceil(experts / R); if R does not divide the number of experts,
  /// the last ranks hold fewer or none. Zero experts live nowhere.
  std::vector<int> rank_counts;

  /// What a token chooses among: experts and zero experts.
  int choices() const { return experts + gate.zero_experts; }
};

/// Throws std::invalid_argument with a full sentence if the problem makes no sense or is beyond the
/// engine's limits. Every backend calls it first.
void validate(const RoutingProblem& problem);

}  // namespace tollgate::kernels
