#pragma once
/// Where the experts of one layer sit: physical slots on expert-parallel ranks, ranks in nodes.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tollgate::kernels {

inline constexpr int kMaxSlots = 1 << 15;  ///< physical slots of one layer
inline constexpr int kMaxRanks = 4096;     ///< expert-parallel ranks

/// The expert-parallel group. A node is what shares the scale-up link (NVLink); ranks of different
/// nodes talk over the network. Rank r is in node r / ranks_per_node.
struct RankGrid {
  int ranks = 1;
  int ranks_per_node = 1;  ///< divides `ranks`

  int nodes() const { return ranks / ranks_per_node; }
  int node_of(int rank) const { return rank / ranks_per_node; }
  bool operator==(const RankGrid&) const = default;
};

/// Placement of the experts of one layer. A slot holds the weights of one logical expert; rank r
/// holds the slots [r * slots_per_rank(), (r + 1) * slots_per_rank()). An expert held by several
/// slots is replicated; two replicas may share a rank. Make one with the builders below or with
/// `eplb_placement` (eplb.h), which keep all fields consistent.
struct Placement {
  int experts = 0;  ///< logical experts
  int slots = 0;    ///< physical slots, a multiple of grid.ranks
  RankGrid grid;
  std::vector<std::uint16_t> expert_of_slot;  ///< [slot]
  std::vector<std::int32_t> replica_begin;    ///< [experts + 1], index into replica_slots
  std::vector<std::uint16_t> replica_slots;   ///< [slots], by expert, then by ascending slot

  int slots_per_rank() const { return slots / grid.ranks; }
  int rank_of(int slot) const { return slot / slots_per_rank(); }
  int copies(int expert) const { return replica_begin[expert + 1] - replica_begin[expert]; }

  /// The slots that hold an expert, ascending; never empty.
  std::span<const std::uint16_t> replicas(int expert) const {
    return {replica_slots.data() + replica_begin[expert], static_cast<std::size_t>(copies(expert))};
  }

  bool operator==(const Placement&) const = default;
};

/// A placement from its slots: `expert_of_slot[p]` is the logical expert in physical slot p.
/// Throws std::invalid_argument with a full sentence if the ranks do not divide the slots, the
/// nodes do not divide the ranks, an id is out of range, an expert has no slot, or a size is
/// beyond the limits (experts as RoutingProblem, kMaxSlots, kMaxRanks).
Placement make_placement(int experts, std::vector<std::uint16_t> expert_of_slot,
                         const RankGrid& grid);

/// Slot p holds expert p mod experts: blocks of consecutive experts, and the redundant slots repeat
/// the first experts (the initial placement of vLLM and sglang). Errors as for `make_placement`.
Placement contiguous_placement(int experts, int slots, const RankGrid& grid);

/// Slot j of rank r holds expert (j * ranks + r) mod experts: consecutive experts on consecutive
/// ranks. Errors as for `make_placement`.
Placement striped_placement(int experts, int slots, const RankGrid& grid);

/// The smallest multiple of `ranks` that is at least experts + redundant: "32 redundant experts" is
/// rounded up to whole slots per rank.
int slots_for(int experts, int redundant, int ranks);

/// Fixed-point unit of `rank_loads`: fraction bits of a load.
inline constexpr int kLoadFraction = 18;

/// Load of every rank if each expert's tokens split evenly over its copies, in units of
/// 2^-kLoadFraction assignments (each copy's share is rounded down). `expert_counts[e]` >= 0
/// assignments, `experts` of them, with a sum below 2^44. Throws std::invalid_argument otherwise.
std::vector<std::int64_t> rank_loads(const Placement& placement,
                                     std::span<const std::int64_t> expert_counts);

/// Busiest rank over mean rank of `rank_loads`, >= 1; 1 if there is no load at all.
double imbalance(const Placement& placement, std::span<const std::int64_t> expert_counts);

/// Throws std::invalid_argument with a sentence unless there are `experts` counts, none negative
/// and with a sum below 2^44 (so that fixed-point sums fit in 64 bits).
void check_counts(std::span<const std::int64_t> expert_counts, int experts);

}  // namespace tollgate::kernels
