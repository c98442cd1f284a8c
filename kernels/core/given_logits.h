#pragma once
/// Checks of logits that a caller brings.

#include <cstddef>
#include <span>

#include "kernels/problem.h"

namespace tollgate::kernels {

/// Validates the problem and throws std::invalid_argument with a sentence unless there is one logit
/// per layer, token and choice (experts and zero experts), or if the gate is hash-routed.
void validate_shape(const RoutingProblem& problem, std::span<const float> logits);

/// Throws std::invalid_argument saying which token and expert the NaN at `index` belongs to.
[[noreturn]] void refuse_nan(const RoutingProblem& problem, std::size_t index);

}  // namespace tollgate::kernels
