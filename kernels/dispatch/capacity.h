#pragma once
/// Expert capacity: how many tokens an expert takes, and which are dropped beyond that.

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/dispatch/study.h"

namespace tollgate::kernels {

/// How the capacity of an expert follows from T tokens, E experts, top-k and the factor CF.
///   switch_top1  ceil(CF T / E), top-1 only: Switch Transformer, arXiv 2101.03961, section 2.2
///   gshard       ceil(CF k T / E): GShard, arXiv 2006.16668; NLLB-MoE
///   tutel        k * int(CF * ceil(T / E)); CF = 0: the largest load; CF < 0: the smaller of the
///                largest load and k * int(-CF * ceil(T / E)). Tutel impls/fast_dispatch.py,
///                extract_critical; largest load = of any expert over the whole batch
/// switch_top1 and gshard take the factor to a millionth, so that 1.1 x 10 is 11; tutel multiplies
/// in double, as its source does.
enum class CapacityRule { switch_top1, gshard, tutel };

/// Who is served first.
///   token  lower token ids
///   score  higher priorities, lower token ids among equals: batch-prioritised routing (Riquelme et
///          al. 2021, arXiv 2106.05974; Tutel batch_prioritized_routing)
/// In both, all first choices come before all second choices, and so on: GShard's algorithm 1 and
/// Tutel count a slot's positions on top of the earlier slots' loads.
enum class DropOrder { token, score };

struct CapacitySpec {
  CapacityRule rule = CapacityRule::gshard;
  double factor = 1.0;
  int alignment = 1;  ///< the capacity is rounded up to a multiple of this
  DropOrder order = DropOrder::token;
};

/// Choices that were kept. Vectors over layers start with layer 0.
struct CapacityResult {
  int layers = 0;
  int tokens = 0;  ///< per layer
  int top_k = 0;
  std::vector<std::int64_t> capacity;  ///< [layer] tokens that an expert takes
  std::vector<std::uint16_t> ids;      ///< as given, kNoExpert (replica_choice.h) where dropped
  std::vector<std::int64_t> drops;     ///< [layer * experts + expert]
  std::vector<std::int64_t> unserved;  ///< [layer] tokens of which every real choice was dropped
  std::int64_t assignments = 0;        ///< choices of experts with weights, kept or not

  double dropped_share() const;   ///< of the assignments
  double unserved_share() const;  ///< of the tokens; they pass on the residual alone

  bool operator==(const CapacityResult&) const = default;
};

/// The capacity for a batch of `tokens` tokens, of which the fullest expert gets `largest_load`.
/// Throws std::invalid_argument with a sentence if it would be zero, the factor is not finite, or
/// switch_top1 meets another top_k than 1.
std::int64_t expert_capacity(const CapacitySpec& spec, int tokens, int experts, int top_k,
                             std::int64_t largest_load);

/// Drops what goes beyond capacity. The tokens of a layer are one batch. Ids from `experts` on
/// (zero experts, kNoExpert) have no capacity and stay. `priorities` is [layer * tokens + token]
/// for `DropOrder::score` (see `token_priorities`), else empty. Layers run in parallel with oneTBB;
/// integers decide, so that the result does not depend on threads. On the CPU also when the choices
/// come from a device: O(choices), bound by memory.
CapacityResult apply_capacity(const Selections& selections, int experts, const CapacitySpec& spec,
                              std::span<const std::int32_t> priorities = {});

}  // namespace tollgate::kernels
