#pragma once
/// What the ranks of an expert-parallel group have to do in a step, without the rows' order and the
/// matrix of who sends to whom (see study.h for those): cheap enough for every batch size.

#include <span>
#include <vector>

#include "kernels/dispatch/distribution.h"
#include "kernels/dispatch/study.h"

namespace tollgate::kernels {

/// One sample per (layer, step), by layer, then by step; a step is `batch_size` consecutive tokens.
struct StepLoads {
  int batch_size = 0;
  int ranks = 1;
  int layers = 1;
  int steps = 0;              ///< per layer
  Distribution rows;          ///< routed rows of all ranks
  Distribution busiest_rows;  ///< rows of the rank that computes most
  /// Padded expert by expert to each of StepLoadOptions::tiles, of the rank with most of those.
  std::vector<Distribution> padded_rows;
  Distribution most_slots;      ///< slots with rows (weights read) of the rank that reads most
  Distribution active_slots;    ///< slots with rows over all ranks, replicas counted
  Distribution active_experts;  ///< experts with rows, replicas not counted
  Distribution hottest_expert;  ///< rows of the fullest expert, over its replicas

  /// Rows with one per (token, destination rank), and per (token, destination node): what arrives
  /// in normal mode. All and on the busiest one. Empty unless asked for.
  Distribution rank_copies, busiest_rank_copies, node_copies, busiest_node_copies;

  /// Mean busiest rank over mean rank, >= 1; 1 if nothing was routed.
  double imbalance() const;

  /// Busiest rank over mean rank of each step, averaged over its layers: what a step waits for
  /// altogether. Layers that differ in popularity do not make steps differ; only the tokens do.
  std::vector<double> step_imbalance() const;
};

struct StepLoadOptions {
  int batch_size = 1;
  ReplicaChoice choice = ReplicaChoice::rank_and_token;
  std::vector<int> tiles{64};  ///< rows of GEMM tiles
  int most_steps = 1024;       ///< per layer; the rest of the window is left out
  bool copies = false;         ///< also count `rank_copies` and so on
  int zero_experts = 0;        ///< ids [experts, experts + zero_experts) are not dispatched
};

/// Placements as for `study_dispatch`, and errors. Runs in parallel with oneTBB; the result does
/// not depend on the number of threads. O(choices + samples * slots).
StepLoads count_step_loads(const Selections& selections, std::span<const Placement> placements,
                           const StepLoadOptions& options);

/// The same for several sizes of step, each twice the one before; `options.batch_size` is not read.
/// Where no expert is replicated, the windows of a size are summed from those of the size before,
/// so that all sizes together cost little more than the smallest.
std::vector<StepLoads> count_step_loads(const Selections& selections,
                                        std::span<const Placement> placements,
                                        std::span<const int> batch_sizes,
                                        const StepLoadOptions& options);

/// Nearest-rank percentile of unsorted values, p in (0, 100]; 0 for none. Throws
/// std::invalid_argument for another p.
double percentile_of(std::vector<double> values, double p);

}  // namespace tollgate::kernels
