#pragma once
/// Small conventions that all backends share.

#include "kernels/core/gate.h"
#include "kernels/problem.h"
#include "kernels/stats.h"

namespace tollgate::kernels {

/// Contiguous placement: expert e lives on rank e / experts_per_rank.
inline int experts_per_rank(int experts, int ranks) { return (experts + ranks - 1) / ranks; }

/// The gate of one layer; points into `problem`.
inline Gate gate_at(const RoutingProblem& problem, int layer) {
  const std::int32_t* bias = problem.bias.empty() ? nullptr : problem.bias.data();
  if (bias != nullptr && problem.bias.size() > static_cast<std::size_t>(problem.experts)) {
    bias += static_cast<std::size_t>(layer) * problem.experts;
  }
  return {problem.gate, problem.experts, bias, &score_tables()};
}

/// Statistics with every description filled in and every sum zero.
RoutingStats empty_stats(const RoutingProblem& problem);

}  // namespace tollgate::kernels
