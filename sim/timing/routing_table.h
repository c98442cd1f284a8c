#pragma once

#include <vector>

#include "kernels/dispatch/routed_window.h"
#include "sim/timing/expert_plan.h"

namespace tollgate {

/// What the routing engine found for one kind of expert layer and one number of ranks, as a
/// function of the number of tokens routed together. Made once, then only interpolated.
class RoutingTable {
 public:
  struct Point {
    double tokens = 0;
    double busiest_ratio = 1;      ///< assignments on the busiest rank over the mean; mean
    double busiest_ratio_p95 = 1;  ///< the same, 95th percentile of layers and steps
    double rank_distinct = 0;      ///< most weights read on any rank, replicas counted
    double distinct = 0;           ///< distinct experts over all ranks
    /// Rows on the busiest rank with every expert padded to tiles of 16, 64 and 128.
    double rows16 = 0, rows64 = 0, rows128 = 0;
    double slots_read = 0;  ///< weights read over all ranks, replicas counted
    double link_ratio = 1;  ///< rows that cross the busiest rank's link over the mean
    double step_p50 = 1;    ///< busiest_ratio averaged over the layers of a step: median of steps
    double step_p95 = 1;    ///< and 95th percentile
  };

  RoutingTable(std::vector<Point> points, double destination_ranks, int ranks,
               double destination_nodes = 1);

  /// Linear between the powers of two; held at both ends, where padded rows grow with the tokens.
  Point at(double tokens) const;

  /// Distinct ranks a token is sent to.
  double destination_ranks() const { return destination_ranks_; }
  /// Distinct scale-up domains a token is sent to, its own included.
  double destination_nodes() const { return destination_nodes_; }
  int ranks() const { return ranks_; }

  /// The table of a step at the median or the 95th percentile of steps instead of the mean one.
  enum class Step { p50, p95 };
  RoutingTable of_step(Step step) const;

 private:
  std::vector<Point> points_;
  double destination_ranks_;
  int ranks_;
  double destination_nodes_;
};

/// A point between two, `share` of the way from `a` to `b`.
RoutingTable::Point mix(const RoutingTable::Point& a, const RoutingTable::Point& b, double share);

/// One kind of expert layer, routed: decode batches take each token from another request, prompts
/// take runs of tokens.
struct RoutedLayer {
  kernels::RoutedWindow decode, prefill;
  ExpertPlacer placer;
};

/// One table per number of ranks, for batches of 1 to `window.tokens` tokens in powers of two.
/// `prompts`: rows travel once per destination rank and node (normal mode); else once per choice
/// (low latency). Numbers of ranks run in parallel; the result does not depend on it.
std::vector<RoutingTable> make_routing_tables(const kernels::RoutedWindow& window,
                                              const ExpertPlacer& placer,
                                              const std::vector<int>& ranks, bool prompts);

/// The same for a layer kind alone, from scratch: `tokens_per_sequence` above 1 are prompts.
std::vector<RoutingTable> make_routing_tables(
    const FfnSpec& ffn, const FamilyPopularity& popularity, const RoutingSpec& spec,
    std::uint64_t seed, const std::vector<int>& ranks, const kernels::RoutingBackend& backend,
    int tokens_per_sequence = 1, const ExpertPlan& plan = {});

}  // namespace tollgate
