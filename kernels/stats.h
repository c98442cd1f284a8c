#pragma once
/// The routing engine's answer: integers only, the same for every backend and thread count.

#include <cstdint>
#include <vector>

namespace tollgate::kernels {

/// Load of expert-parallel ranks over the windows of one length, for one number of ranks.
/// An assignment is one (token, chosen expert) pair; a token has top_k of them, less what fell on
/// zero experts, which appear in no statistic. The busiest rank of a window is the one with most
/// assignments, the lowest id among equals.
struct RankStats {
  int ranks = 0;
  std::int64_t samples = 0;                ///< windows, over all layers
  double mean_rank_load = 0.0;             ///< mean assignments of a window / ranks: balanced load
  std::int64_t busiest_load_sum = 0;       ///< assignments on the busiest rank
  std::int64_t busiest_load_max = 0;       ///< largest over the samples
  std::int64_t busiest_distinct_sum = 0;   ///< distinct experts on the busiest rank
  std::int64_t max_distinct_sum = 0;       ///< largest number of distinct experts on any rank
  std::int64_t padded_rows_64_sum = 0;     ///< busiest rank: sum over experts of ceil(n/64)*64
  std::int64_t padded_rows_128_sum = 0;    ///< the same with tiles of 128 rows
  std::vector<std::int32_t> busiest_load;  ///< per sample, by layer, then by window

  double mean_busiest_load() const;      ///< assignments
  double mean_imbalance() const;         ///< mean busiest load / balanced load, >= 1
  double mean_busiest_distinct() const;  ///< experts
  double mean_max_distinct() const;      ///< experts
  double mean_padded_rows_64() const;    ///< rows
  double mean_padded_rows_128() const;   ///< rows

  /// Nearest-rank percentile of the busiest load, p in (0, 100]; p = 50 is the median. Throws
  /// std::invalid_argument for another p.
  std::int32_t busiest_load_percentile(double p) const;

  bool operator==(const RankStats&) const = default;
};

/// Statistics over the windows of one length.
struct BatchStats {
  int batch_size = 0;
  std::int64_t samples = 0;               ///< windows, over all layers
  std::int64_t assignments_sum = 0;       ///< samples * batch_size * top_k less zero experts
  double mean_expert_load = 0.0;          ///< mean assignments of a window / experts
  std::int64_t hottest_expert_sum = 0;    ///< tokens on the fullest expert
  std::int64_t hottest_expert_max = 0;    ///< largest over the samples
  std::int64_t distinct_experts_sum = 0;  ///< experts with at least one token
  std::vector<RankStats> ranks;           ///< as RoutingProblem::rank_counts

  double mean_hottest_expert() const;    ///< tokens
  double mean_expert_imbalance() const;  ///< mean hottest / mean load per expert, >= 1
  double mean_distinct_experts() const;  ///< experts

  bool operator==(const BatchStats&) const = default;
};

/// To how many ranks one token goes: independent of the batch size.
struct TrafficStats {
  int ranks = 0;
  std::int64_t tokens = 0;                 ///< over all layers
  std::int64_t destination_ranks_sum = 0;  ///< distinct ranks among a token's chosen experts

  double mean_destination_ranks() const;

  bool operator==(const TrafficStats&) const = default;
};

struct RoutingStats {
  int experts = 0;
  int top_k = 0;
  int layers = 0;
  int tokens = 0;                           ///< per layer
  std::vector<BatchStats> batches;          ///< as RoutingProblem::batch_sizes
  std::vector<TrafficStats> traffic;        ///< as RoutingProblem::rank_counts
  std::vector<std::int64_t> expert_tokens;  ///< [layer * experts + expert], all drawn tokens

  /// The entry for a window length, and for a number of ranks within it. Throw std::out_of_range
  /// with a sentence if the problem did not ask for it.
  const BatchStats& batch(int batch_size) const;
  const RankStats& ranks(int batch_size, int rank_count) const;
  const TrafficStats& traffic_to(int rank_count) const;

  /// Experts with weights that a token chooses, on average: top_k, or less with zero experts.
  double mean_real_choices() const;

  bool operator==(const RoutingStats&) const = default;
};

}  // namespace tollgate::kernels
