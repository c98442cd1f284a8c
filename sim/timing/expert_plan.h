#pragma once

#include <compare>
#include <vector>

#include "kernels/placement/eplb.h"
#include "kernels/placement/placement.h"
#include "kernels/placement/replica_choice.h"
#include "sim/timing/routing_source.h"

namespace tollgate {

/// How experts are placed: in blocks, striped, or by a plan (EPLB) made from an earlier window of
/// traffic.
struct ExpertPlan {
  enum class Kind { contiguous, striped, eplb };
  Kind kind = Kind::contiguous;
  int redundant = 0;
  int plan_domains = 0;    ///< 0 = as served
  int ranks_per_node = 8;  ///< ranks of a scale-up domain; plans keep expert groups inside one
  kernels::EplbMode mode = kernels::EplbMode::automatic;
  auto operator<=>(const ExpertPlan&) const = default;

  bool planned() const { return kind == Kind::eplb; }
  /// Nodes hold `ranks_per_node` ranks where that divides the ranks, else one holds all.
  kernels::RankGrid grid(int ranks) const;
};

/// Places experts for any number of ranks; the traffic a plan is made from is routed once.
class ExpertPlacer {
 public:
  /// For a plan, `source` is asked for a window of the other stream than the one served, as long as
  /// `served` and of the plan's kinds of traffic.
  ExpertPlacer(const ExpertPlan& plan, const RoutingSource& source, const WindowRequest& served);

  /// A plan made from the window it serves: the best a plan can do.
  static ExpertPlacer planned_on(const kernels::RoutedWindow& window, const ExpertPlan& plan,
                                 const RoutingSource& source);

  /// One placement for all layers, or one per layer. Throws InputError where ranks and slots do
  /// not agree.
  std::vector<kernels::Placement> at(int ranks) const;

 private:
  ExpertPlacer(const ExpertPlan& plan, const RoutingSource& source);

  ExpertPlan plan_;
  int experts_ = 0, layers_ = 0, groups_ = 1;
  std::vector<std::int64_t> counts_;
};

}  // namespace tollgate
