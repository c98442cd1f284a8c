#pragma once
/// From chosen slots to the rows of the grouped GEMMs: histogram, exclusive scan, permutation.

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/placement/placement.h"
#include "kernels/placement/replica_choice.h"

namespace tollgate::kernels {

/// The dispatch of one step at one layer. A row is one (token, choice) pair, computed by the slot
/// it was sent to; rows are sorted by physical slot and, within a slot, by (token, choice): the
/// order of a stable counting sort (DeepSeek TileKernels, get_fused_mapping), not the arbitrary
/// one of kernels that scatter with atomics.
struct Dispatch {
  int tokens = 0;
  int top_k = 0;
  int tile = 1;                             ///< rows of a GEMM tile
  std::vector<std::int32_t> slot_rows;      ///< [slots] rows of a slot
  std::vector<std::int32_t> slot_begin;     ///< [slots + 1] exclusive scan of slot_rows
  std::vector<std::int32_t> padded_begin;   ///< [slots + 1] the same, each rounded up to the tile
  std::vector<std::int32_t> choice_of_row;  ///< [rows] token * top_k + choice

  /// Routed rows; less than tokens * top_k if choices went to no slot.
  std::int64_t rows() const { return static_cast<std::int64_t>(choice_of_row.size()); }

  bool operator==(const Dispatch&) const = default;
};

/// What every rank has to compute. All vectors are [rank].
struct RankWork {
  std::vector<std::int64_t> rows;          ///< rows received
  std::vector<std::int64_t> padded_rows;   ///< sum over its slots of rows rounded up to the tile
  std::vector<std::int32_t> active_slots;  ///< slots with at least one row: weights to read

  bool operator==(const RankWork&) const = default;
};

/// Dispatches one step. `slots` is [token * top_k + choice] as `choose_slots` gives; kNoSlot is
/// left out. `tile` >= 1 is the GEMM's M tile (16 to 256; DeepGEMM aligns contiguous layouts to
/// 128 on Hopper). `out` keeps its memory between calls. O(rows + slots).
///
/// Throws std::invalid_argument with a sentence for a bad top_k or tile, a slot that does not
/// exist, or more than 2^30 choices.
void dispatch(std::span<const std::uint16_t> slots, int top_k, const Placement& placement, int tile,
              Dispatch& out);
Dispatch dispatch(std::span<const std::uint16_t> slots, int top_k, const Placement& placement,
                  int tile = 1);

/// Throws std::invalid_argument for arguments that `dispatch` refuses: it checks them itself, in
/// its own loops.
void check_dispatch(std::span<const std::uint16_t> slots, int top_k, const Placement& placement,
                    int tile);

/// Sums per rank.
RankWork rank_work(const Dispatch& dispatched, const Placement& placement);

}  // namespace tollgate::kernels
