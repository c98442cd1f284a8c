#pragma once
/// Small conventions that all backends share.

#include <cstdint>
#include <vector>

#include "kernels/core/gate.h"
#include "kernels/problem.h"
#include "kernels/stats.h"

namespace tollgate::kernels {

/// Contiguous placement: expert e lives on rank e / experts_per_rank.
inline int experts_per_rank(int experts, int ranks) { return (experts + ranks - 1) / ranks; }

/// The gate of one layer; points into `problem`.
inline Gate gate_at(const RoutingProblem& problem, int layer) {
  const std::int32_t* bias = problem.bias.empty() ? nullptr : problem.bias.data();
  if (bias != nullptr && problem.bias.size() > static_cast<std::size_t>(problem.choices())) {
    bias += static_cast<std::size_t>(layer) * problem.choices();
  }
  return {problem.gate, problem.choices(), bias, &score_tables()};
}

/// Statistics with every description filled in and every sum zero.
RoutingStats empty_stats(const RoutingProblem& problem);

/// Sets the mean loads from the assignments counted, where zero experts make them vary.
void finish_stats(RoutingStats& stats);

/// What `RoutingBackend::select` returns, from [layer][token][top_k] choices: shared experts follow
/// every token's own. Without shared slots that is `choices` itself.
std::vector<std::uint16_t> with_shared_slots(const RoutingProblem& problem,
                                             std::vector<std::uint16_t> choices);

}  // namespace tollgate::kernels
