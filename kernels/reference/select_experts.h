#pragma once
/// The gate written out plainly: what every other selection is compared with.

#include <cstdint>
#include <span>

#include "kernels/core/gate.h"

namespace tollgate::kernels {

/// Chooses `chosen.size()` = top_k experts, best first, from the fixed-point logits of one token
/// (`logits.size()` = experts).
void select_experts(const Gate& gate, std::span<const std::int32_t> logits,
                    std::span<std::uint16_t> chosen);

}  // namespace tollgate::kernels
