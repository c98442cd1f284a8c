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

void finish_stats(RoutingStats& stats) {
  for (BatchStats& batch : stats.batches) {
    const double assignments =
        static_cast<double>(batch.assignments_sum) / static_cast<double>(batch.samples);
    batch.mean_expert_load = assignments / stats.experts;
    for (RankStats& rank : batch.ranks) rank.mean_rank_load = assignments / rank.ranks;
  }
}

std::vector<std::uint16_t> with_shared_slots(const RoutingProblem& problem,
                                             std::vector<std::uint16_t> choices) {
  const GateSpec& gate = problem.gate;
  if (gate.shared_slots == 0) return choices;
  const std::size_t rows = choices.size() / gate.top_k;
  std::vector<std::uint16_t> all;
  all.reserve(rows * gate.slots());
  for (std::size_t row = 0; row < rows; ++row) {
    const auto begin = choices.begin() + static_cast<std::ptrdiff_t>(row * gate.top_k);
    all.insert(all.end(), begin, begin + gate.top_k);
    for (int j = 0; j < gate.shared_slots; ++j) {
      all.push_back(static_cast<std::uint16_t>(problem.choices() + j));
    }
  }
  return all;
}

}  // namespace tollgate::kernels
