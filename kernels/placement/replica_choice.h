#pragma once
/// Which copy of a replicated expert a token is sent to.

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/placement/placement.h"

namespace tollgate::kernels {

/// Ids that select no routed expert and are not dispatched.
inline constexpr std::uint16_t kNoExpert = 0xFFFF;  ///< masked, dropped or padding
inline constexpr std::uint16_t kNoSlot = 0xFFFF;    ///< the slot of such a choice

/// Rules in use. "token" is the token's index within its source rank's batch, "copies" the number
/// of replicas of the chosen expert; replicas are numbered by ascending slot.
enum class ReplicaChoice {
  /// token mod copies.
  token_modulo,

  /// (token * top_k + slot) mod copies (vLLM, eplb_map_to_physical). Where copies divides top_k it
  /// depends on the slot alone: an expert that is mostly a token's first choice stays lop-sided.
  position_modulo,

  /// (source rank + token * 23333) mod copies (DeepSeek TileKernels, top2_sum_gate).
  rank_and_token,

  /// One fixed copy per source rank: the first on the same rank if there is one, else the
  /// (source rank mod n)-th of the n copies on the same node, else of all copies. After sglang's
  /// "static" dispatch, which deals the remaining ranks in a seeded shuffle instead.
  static_per_rank,

  /// The copy whose rank has fewest assignments so far, in (token, slot) order over the whole
  /// batch; the lowest slot among equals. Needs global knowledge no real system has at that time:
  /// a bound on what replica choice can repair.
  least_loaded,
};

/// Every rule, for loops over all of them, and its name on the command line ("token-modulo").
std::span<const ReplicaChoice> replica_choices();
const char* name_of(ReplicaChoice choice);

/// Tokens of one step are dealt to source ranks in contiguous blocks that differ by at most one in
/// length: rank s has the tokens [first_token(s), first_token(s + 1)), first_token(s) =
/// floor(s * tokens / ranks).
inline int first_token(int rank, int tokens, int ranks) {
  return static_cast<int>(static_cast<std::int64_t>(rank) * tokens / ranks);
}

/// The physical slot of every choice: `ids` and the result are [token * top_k + slot], ids being
/// logical experts as RoutingBackend::select gives them for one layer. An id that is kNoExpert, or
/// a zero-computation expert (experts <= id < experts + zero_experts), gives kNoSlot.
///
/// Throws std::invalid_argument with a sentence for any other id >= experts, if top_k does not
/// divide the ids, or if there are more than 2^30 of them.
std::vector<std::uint16_t> choose_slots(std::span<const std::uint16_t> ids, int top_k,
                                        const Placement& placement, ReplicaChoice choice,
                                        int zero_experts = 0);

}  // namespace tollgate::kernels
