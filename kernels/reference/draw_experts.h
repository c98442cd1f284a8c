#pragma once
/// The alias generator written out plainly: what every other way of drawing is compared with.

#include <cstdint>
#include <vector>

#include "kernels/generator/alias_generator.h"

namespace tollgate::kernels {

/// The generator's choices, one token after the other, from its units of probability; the result is
/// that of `AliasGenerator::select`.
std::vector<std::uint16_t> draw_experts(const AliasGenerator& generator);

}  // namespace tollgate::kernels
