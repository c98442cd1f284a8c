#pragma once
/// How the words of one token become experts: the rule that every backend of the alias generator
/// follows, compiled for host and device.

#include <cstdint>

#include "kernels/core/gate_spec.h"
#include "kernels/core/host_device.h"
#include "kernels/core/philox.h"
#include "kernels/generator/alias_table.h"
#include "kernels/generator/draw_purpose.h"

namespace tollgate::kernels {

/// What all chains of one generator share.
struct AliasShape {
  int experts;
  int top_k;
  int tokens;                   ///< per layer
  std::uint32_t sticky;         ///< stickiness * 2^16
  std::uint32_t sticky_factor;  ///< floor(experts * 2^(32 + shift) / (2^32 - sticky * 2^16))
  std::uint32_t free_factor;    ///< experts * 2^shift, for tokens without a previous one
  int shift;
  int contexts;                           ///< per layer
  const AliasEntry* tables;               ///< [layer][context][expert]
  const std::uint32_t* units;             ///< [layer][context][expert]
  const std::uint16_t* token_contexts;    ///< [token], or [layer][token]
  std::int64_t token_contexts_per_layer;  ///< tokens or 0
  const std::int32_t* sequence_starts;    ///< [sequences + 1], the last entry is `tokens`
  int sequences;
  std::uint64_t seed;
  std::uint32_t stream;
  std::uint32_t window;
};

/// Proposals come from blocks 0 .. alias_blocks - 1 of a token, four words each; then
/// `alias_finish` takes over, whose blocks start at kAliasFinish.
TOLLGATE_HD constexpr int alias_blocks(int top_k) { return top_k < 2 ? 2 : top_k; }
inline constexpr std::uint32_t kAliasFinish = 128;

TOLLGATE_HD inline Words4 alias_words(const AliasShape& shape, int layer, std::int32_t token,
                                      std::uint32_t block) {
  return philox4x32(static_cast<std::uint32_t>(token),
                    draw_block(kAliasProposal, shape.window << 8 | block),
                    static_cast<std::uint32_t>(layer), shape.stream, shape.seed);
}

TOLLGATE_HD inline int alias_context(const AliasShape& shape, int layer, std::int32_t token) {
  return shape.token_contexts[layer * shape.token_contexts_per_layer + token];
}

/// Index into `tables` and `units` of a token's first cell.
TOLLGATE_HD inline std::int64_t alias_cell(const AliasShape& shape, int layer, std::int32_t token) {
  const std::int64_t table =
      static_cast<std::int64_t>(layer) * shape.contexts + alias_context(shape, layer, token);
  return table * shape.experts;
}

/// How a token's words are read: below `sticky` in the high half they repeat, else they are
/// stretched by `factor` to a position in the table.
struct AliasRule {
  std::uint32_t sticky;
  std::uint32_t factor;
};

TOLLGATE_HD inline AliasRule alias_rule(const AliasShape& shape, bool has_previous) {
  if (has_previous) return {shape.sticky, shape.sticky_factor};
  return {0, shape.free_factor};
}

/// The expert that a word proposes; `previous(slot)` is the expert the token before drew as number
/// `slot`.
template <typename Previous>
TOLLGATE_HD inline int alias_propose(const AliasShape& shape, const AliasEntry* table,
                                     AliasRule rule, std::uint32_t word, Previous previous) {
  if ((word >> 16) < rule.sticky) {
    return previous(
        static_cast<int>(((word & 0xFFFFu) * static_cast<std::uint32_t>(shape.top_k)) >> 16));
  }
  const std::uint64_t rest = word - (rule.sticky << 16);
  return alias_draw(table, (rest * rule.factor) >> shape.shift);
}

/// Draws the experts found .. top_k - 1 when proposals have run out. What is left to draw has
/// probability proportional to q among the experts not yet chosen, whatever was proposed before.
/// `previous` and `chosen` are in the order drawn; `previous` is null for the first of a sequence.
TOLLGATE_NOINLINE TOLLGATE_HD inline void alias_finish(const AliasShape& shape, int layer,
                                                       std::int32_t token,
                                                       const std::uint16_t* previous,
                                                       std::uint16_t* chosen, int found) {
  const std::uint32_t* units = shape.units + alias_cell(shape, layer, token);
  const std::uint64_t sticky = previous != nullptr ? shape.sticky : 0;
  const auto k = static_cast<std::uint64_t>(shape.top_k);
  const std::uint64_t all = static_cast<std::uint64_t>(shape.experts) * kAliasUnits;
  std::uint64_t repeated[kMaxExperts / 64];  // sets of experts
  std::uint64_t taken[kMaxExperts / 64];
  for (int i = 0; i < kMaxExperts / 64; ++i) repeated[i] = taken[i] = 0;
  const auto add = [](std::uint64_t* set, int e) { set[e >> 6] |= std::uint64_t{1} << (e & 63); };
  for (int i = 0; previous != nullptr && i < shape.top_k; ++i) add(repeated, previous[i]);
  for (int i = 0; i < found; ++i) add(taken, chosen[i]);
  const auto mass = [&](int e) -> std::uint64_t {
    if (((taken[e >> 6] >> (e & 63)) & 1) != 0) return 0;
    const std::uint64_t free = units[e] * (65536 - sticky) * k;
    return free + ((repeated[e >> 6] >> (e & 63)) & 1) * sticky * all;
  };
  for (; found < shape.top_k; ++found) {
    std::uint64_t sum = 0;
    for (int e = 0; e < shape.experts; ++e) sum += mass(e);
    const Words4 words =
        alias_words(shape, layer, token, kAliasFinish + static_cast<std::uint32_t>(found));
    const std::uint64_t word = static_cast<std::uint64_t>(words.w[0]) << 32 | words.w[1];
    std::uint64_t place = multiply_high_64(word, sum);
    int e = 0;
    for (std::uint64_t here = mass(0); place >= here; here = mass(++e)) place -= here;
    chosen[found] = static_cast<std::uint16_t>(e);
    add(taken, e);
  }
}

}  // namespace tollgate::kernels
