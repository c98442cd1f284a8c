#pragma once
/// Combine weights of the chosen experts, in double; for tests and reports, never for a selection.

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/gate_spec.h"

namespace tollgate::kernels {

/// The weight with which each of the chosen experts' outputs enters the sum.
///   logits  all experts' router logits of one token
///   chosen  ids of the chosen experts
/// Returns one weight per entry of `chosen`. With `top_k_then_score` softmax runs over the chosen
/// logits only. Renormalised weights are w / (sum w + 1e-20), then times `scale`, as DeepSeek-V3.
/// Throws std::invalid_argument if a chosen id is not in `logits`.
std::vector<double> gate_weights(const GateSpec& gate, std::span<const double> logits,
                                 std::span<const std::uint16_t> chosen);

}  // namespace tollgate::kernels
