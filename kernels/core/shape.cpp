#include "kernels/core/shape.h"

namespace tollgate::kernels {

RoutingStats empty_stats(const RoutingProblem& problem) {
  RoutingStats stats;
  stats.experts = problem.experts;
  stats.top_k = problem.gate.top_k;
  stats.layers = problem.layers;
  stats.tokens = problem.tokens;
  stats.expert_tokens.resize(static_cast<std::size_t>(problem.layers) * problem.experts);
  for (const int size : problem.batch_sizes) {
    BatchStats batch;
    batch.batch_size = size;
    const double assignments = static_cast<double>(size) * problem.gate.top_k;
    batch.mean_expert_load = assignments / problem.experts;
    for (const int ranks : problem.rank_counts) {
      RankStats rank_stats;
      rank_stats.ranks = ranks;
      rank_stats.mean_rank_load = assignments / ranks;
      batch.ranks.push_back(rank_stats);
    }
    stats.batches.push_back(batch);
  }
  for (const int ranks : problem.rank_counts) {
    stats.traffic.push_back({ranks, static_cast<std::int64_t>(problem.layers) * problem.tokens, 0});
  }
  return stats;
}

}  // namespace tollgate::kernels
