#pragma once
/// One token of the alias generator as one GPU thread draws it: everything in registers, so all
/// loops have constant bounds. Plain C++ for the host too, so that a test can run the very code.

#include <cstdint>

#include "kernels/generator/alias_draw.h"

namespace tollgate::kernels {

/// Draws a token's experts from the table of its layer and context. `picks` holds the experts of
/// the token before, newest first, and receives this token's: the expert drawn as number i stands
/// at index top_k - 1 - i. `Most` is at least top_k.
template <int Most>
TOLLGATE_HD inline void draw_lane(const AliasShape& shape, const AliasEntry* table, int layer,
                                  std::int32_t token, bool has_previous, int (&picks)[Most]) {
  const int k = shape.top_k;
  const AliasRule rule = alias_rule(shape, has_previous);
  const auto previous = [&](int slot) {
    int expert = 0;
    TOLLGATE_UNROLL
    for (int i = 0; i < Most; ++i) expert = i == k - 1 - slot ? picks[i] : expert;
    return expert;
  };
  int chosen[Most];
  TOLLGATE_UNROLL
  for (int i = 0; i < Most; ++i) chosen[i] = -1;
  int found = 0;
  const int blocks = alias_blocks(k);
  for (int block = 0; block < blocks && found < k; ++block) {
    const Words4 words = alias_words(shape, layer, token, static_cast<std::uint32_t>(block));
    TOLLGATE_UNROLL
    for (int j = 0; j < 4; ++j) {
      const int e = alias_propose(shape, table, rule, words.w[j], previous);
      bool accepted = found < k;
      TOLLGATE_UNROLL
      for (int i = 0; i < Most; ++i) accepted = accepted && chosen[i] != e;
      TOLLGATE_UNROLL
      for (int i = Most - 1; i > 0; --i) chosen[i] = accepted ? chosen[i - 1] : chosen[i];
      chosen[0] = accepted ? e : chosen[0];
      found += accepted ? 1 : 0;
    }
  }
  if (found < k) {
    std::uint16_t before[kMaxTopK], now[kMaxTopK];  // oldest first
    TOLLGATE_UNROLL
    for (int i = 0; i < Most; ++i) {
      if (i < k) before[k - 1 - i] = static_cast<std::uint16_t>(picks[i]);
      if (i < found) now[found - 1 - i] = static_cast<std::uint16_t>(chosen[i]);
    }
    alias_finish(shape, layer, token, has_previous ? before : nullptr, now, found);
    TOLLGATE_UNROLL
    for (int i = 0; i < Most; ++i) chosen[i] = i < k ? now[k - 1 - i] : -1;
  }
  TOLLGATE_UNROLL
  for (int i = 0; i < Most; ++i) picks[i] = chosen[i];
}

}  // namespace tollgate::kernels
