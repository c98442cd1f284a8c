#pragma once
/// The Expert-Parallelism Load Balancer of DeepSeek (github.com/deepseek-ai/EPLB): replicates the
/// experts with most load and packs the replicas on ranks so that loads are nearly equal.
///
/// Loads are integers and every comparison is exact or in fixed point (kLoadFraction bits), so a
/// plan is the same on every machine; equals go to the lowest id. The original compares float32
/// values; plans can differ from it only where two loads are closer than those can tell.

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/placement/placement.h"

namespace tollgate::kernels {

enum class EplbMode {
  automatic,     ///< hierarchical if the nodes divide the groups, else global (as the original)
  hierarchical,  ///< groups of experts stay within a node, as group-limited gates want it
  global,        ///< any expert anywhere
};

struct EplbOptions {
  int slots = 0;   ///< physical slots: experts + redundant ones, a multiple of the ranks
  int groups = 1;  ///< expert groups of the gate; divides the experts
  RankGrid grid;
  EplbMode mode = EplbMode::automatic;
};

/// Placement of one layer planned on its expert loads (assignments counted over some window, see
/// RoutingStats::expert_tokens). Global: `replicate_experts` over all slots, then
/// `balanced_packing` of the replicas to the ranks. Hierarchical: groups are packed to nodes, the
/// same number to each; experts are replicated within their node; replicas packed to its ranks.
///
/// Slots are in the order of the original: those of a rank in descending load per replica. All
/// counts zero is allowed. Throws std::invalid_argument with a full sentence if the ranks do not
/// divide the slots, slots are fewer than experts, groups do not divide experts, or nodes do not
/// divide the groups in hierarchical mode; counts as for `check_counts`.
Placement eplb_placement(std::span<const std::int64_t> expert_counts, const EplbOptions& options);

/// One placement per layer; `expert_counts` is [layer * experts + expert]. Layers are planned in
/// parallel with oneTBB; the result does not depend on the number of threads. Errors as above, and
/// if `layers` does not divide the counts.
std::vector<Placement> eplb_placements(std::span<const std::int64_t> expert_counts, int layers,
                                       const EplbOptions& options);

/// First stage: which expert each of `slots` replicas copies. Replica i < n is expert i; each
/// further one goes to the expert with most load per copy so far, the lowest id among equals.
/// `loads` as for `check_counts`, slots >= loads.size(). O(slots * experts).
std::vector<std::uint16_t> replicate_experts(std::span<const std::int64_t> loads, int slots);

/// Second stage: the pack, 0..packs-1, of each item. Items in descending load, the lowest id first
/// among equals, go to the pack with least load that still has room; every pack gets exactly
/// loads.size() / packs items. Throws std::invalid_argument if packs do not divide the items. The
/// sum of the loads must stay below 2^63. O(items * (packs + log items)).
std::vector<std::int32_t> balanced_packing(std::span<const std::int64_t> loads, int packs);

}  // namespace tollgate::kernels
