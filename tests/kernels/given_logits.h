#pragma once
/// Logits for the problems of problems.h.

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/core/philox.h"
#include "kernels/problem.h"

namespace tollgate::kernels {

/// Logits of about +-8 in steps of 2^-12, so that equal ones occur; every 97th is -inf, every
/// 1009th +inf. Made from integers: the same everywhere.
inline std::vector<float> some_logits(const RoutingProblem& problem) {
  const auto count = static_cast<std::size_t>(problem.layers) * problem.tokens * problem.choices();
  std::vector<float> logits(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Words4 words = philox4x32(static_cast<std::uint32_t>(i), 7, 0, 0, 2026);
    const auto steps = static_cast<std::int32_t>(words.w[0] >> 16) - 32768;
    logits[i] = static_cast<float>(steps) / 4096.0f;
    if (i % 97 == 96) logits[i] = -std::numeric_limits<float>::infinity();
    if (i % 1009 == 1008) logits[i] = std::numeric_limits<float>::infinity();
  }
  return logits;
}

}  // namespace tollgate::kernels
