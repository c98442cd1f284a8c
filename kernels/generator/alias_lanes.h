#pragma once
/// The CPU's inner loop of the alias generator: chains of tokens, each hanging on the one before.

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/generator/alias_draw.h"

namespace tollgate::kernels {

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
