#pragma once
/// The inner loop of the alias generator: chains of tokens, each token hanging on the one before.

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/generator/alias_table.h"

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

/// Fills the chains [first, last), chain = layer * sequences + sequence. The row of a token,
/// `top_k` ids in the order drawn, is number layer * tokens + token; `out` is where row `first_row`
/// goes.
using AliasFunction = void (*)(const AliasShape& shape, std::int64_t first, std::int64_t last,
                               std::int64_t first_row, std::uint16_t* out);

struct AliasVariant {
  std::string_view name;
  AliasFunction fill;
};

/// The variants this processor can run, fastest first, plain C++ last. Their results are equal.
std::span<const AliasVariant> alias_variants();

}  // namespace tollgate::kernels
