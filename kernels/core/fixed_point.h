#pragma once
/// The fixed-point formats in which every selection is decided.

#include <cstdint>

#include "kernels/core/host_device.h"

namespace tollgate::kernels {

/// Logits: int32 with 20 fraction bits, range +-2048, resolution 9.5e-7.
inline constexpr int kLogitFraction = 20;
/// Scores (sigmoid, sqrt-softplus) and biases: int32 with 25 fraction bits, range +-64. One unit is
/// half the float32 spacing just below 1.
inline constexpr int kScoreFraction = 25;
/// Softmax probabilities and biases on them: int32 with 30 fraction bits, range +-2.
inline constexpr int kSoftmaxFraction = 30;

/// Nearest fixed-point value, halves away from zero. The caller keeps it in range.
TOLLGATE_HD constexpr std::int32_t to_fixed(double value, int fraction) {
  const double scaled = value * static_cast<double>(std::int64_t{1} << fraction);
  return static_cast<std::int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

TOLLGATE_HD constexpr double from_fixed(std::int32_t value, int fraction) {
  return static_cast<double>(value) / static_cast<double>(std::int64_t{1} << fraction);
}

}  // namespace tollgate::kernels
