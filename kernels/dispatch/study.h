#pragma once
/// Dispatch over many steps and layers: distributions of what a step waits for, and how well a
/// placement planned on yesterday's traffic serves today's.

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/dispatch/distribution.h"
#include "kernels/dispatch/traffic.h"
#include "kernels/placement/eplb.h"
#include "kernels/placement/placement.h"
#include "kernels/placement/replica_choice.h"

namespace tollgate::kernels {

/// Choices of a token stream at several layers, as RoutingBackend::select gives them.
struct Selections {
  std::span<const std::uint16_t> ids;  ///< [(layer * tokens + token) * top_k + slot]
  int layers = 1;
  int tokens = 0;  ///< per layer
  int top_k = 1;
};

struct StudyOptions {
  int batch_size = 0;  ///< tokens of a step over all source ranks; the rest of a layer is left out
  ReplicaChoice choice = ReplicaChoice::rank_and_token;
  TransferMode mode = TransferMode::normal;
  int tile = 128;            ///< rows of a GEMM tile
  int ranks_per_nic = 1;     ///< ranks that share a network port
  int zero_experts = 0;      ///< ids [experts, experts + zero_experts) are not dispatched
  int most_steps = 1 << 24;  ///< per layer; the rest of the window is left out
};

/// One sample per (layer, step), a step being `batch_size` consecutive tokens. Rows; multiply by
/// `dispatch_row_bytes` or `combine_row_bytes` (traffic.h) for bytes. All but `spread` are maxima
/// over ranks or ports: what a lock-stepped group waits for.
struct DispatchStats {
  int ranks = 0;
  std::int64_t samples = 0;
  Distribution rows;           ///< over the samples: routed rows of all ranks
  Distribution busiest_rows;   ///< rows of the rank that computes most
  Distribution padded_rows;    ///< rows padded to tiles, of the rank with most of those
  Distribution active_slots;   ///< weights read by the rank that reads most
  Distribution sent;           ///< rows from the busiest source rank, local ones included
  Distribution received;       ///< rows to the busiest destination rank, local ones included
  Distribution scale_up;       ///< rows of the busiest scale-up port
  Distribution network;        ///< rows of the busiest NIC
  Distribution network_total;  ///< rows over all NICs
  Spread spread;               ///< over all samples

  /// Mean busiest rank over mean rank, >= 1; 1 if nothing was routed.
  double mean_imbalance() const;

  bool operator==(const DispatchStats&) const = default;
};

/// Dispatches every step of every layer. `placements` holds one placement for all layers or one
/// per layer, all on the same grid. Samples run in parallel with oneTBB; the result does not depend
/// on the number of threads. Throws std::invalid_argument with a sentence if shapes do not match,
/// no step fits, or as the functions it calls.
DispatchStats study_dispatch(const Selections& selections, std::span<const Placement> placements,
                             const StudyOptions& options);

/// Assignments of every expert, [layer * experts + expert]; ids >= experts are not counted.
std::vector<std::int64_t> count_experts(const Selections& selections, int experts);

/// One plan, seen four ways.
struct PlanStudy {
  /// Mean over layers of `imbalance`: whole windows, tokens split evenly over copies.
  double planned = 1.0;     ///< the plan on the counts it was made from: what the planner believed
  double contiguous = 1.0;  ///< no plan, no redundant slots, on the serving counts
  double served = 1.0;      ///< the plan on the serving counts: what it is worth
  double fresh = 1.0;       ///< a plan made from the serving counts: what it could be worth

  /// Step by step with the replica choice of the options, on the serving selections.
  DispatchStats steps_contiguous;
  DispatchStats steps_served;
  DispatchStats steps_fresh;
};

/// Plans EPLB on `planning_counts`, [layer * experts + expert], and serves other traffic with it: a
/// later window, another mixture, another domain. Contiguous placement uses the least number of
/// slots that the ranks divide. Errors as for `eplb_placements` and `study_dispatch`.
PlanStudy study_plan(std::span<const std::int64_t> planning_counts, const Selections& serving,
                     const EplbOptions& plan, const StudyOptions& options);

}  // namespace tollgate::kernels
