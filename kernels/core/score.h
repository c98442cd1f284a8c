#pragma once
/// Score functions on fixed-point logits, non-decreasing by construction.

#include <cstdint>

#include "kernels/core/fixed_point.h"
#include "kernels/core/gate_spec.h"
#include "kernels/core/host_device.h"
#include "kernels/core/math_tables.h"

namespace tollgate::kernels {

/// floor(sqrt(value)).
TOLLGATE_HD inline std::uint32_t integer_sqrt(std::uint64_t value) {
  std::uint64_t root = 0;
  for (std::uint64_t bit = std::uint64_t{1} << 31; bit != 0; bit >>= 1) {
    const std::uint64_t trial = root | bit;
    if (trial * trial <= value) root = trial;
  }
  return static_cast<std::uint32_t>(root);
}

/// Linear interpolation between table nodes 1/64 apart; logits beyond +-32 count as +-32.
TOLLGATE_HD inline std::int32_t interpolate_score(const std::int32_t* table, std::int32_t logit) {
  constexpr std::int32_t kEnd = 32 << kLogitFraction;
  const std::int32_t clamped = logit < -kEnd ? -kEnd : (logit > kEnd ? kEnd : logit);
  const std::int32_t position = clamped + kEnd;
  const std::int32_t i = position >> (kLogitFraction - 6);
  if (i == 4096) return table[4096];
  const std::int64_t slope = table[i + 1] - table[i];
  const std::int64_t rest = position & ((1 << (kLogitFraction - 6)) - 1);
  return table[i] + static_cast<std::int32_t>((slope * rest) >> (kLogitFraction - 6));
}

/// score(logit) with 25 fraction bits, error below 1e-5 for sigmoid and sqrt_softplus.
/// `identity` drops nothing: it is the logit with 20 fraction bits shifted to 25, clamped to +-32.
/// `softmax` has no score of a single logit; its logit is returned (same order).
TOLLGATE_HD inline std::int32_t score_of(const ScoreTables& tables, ScoreFunction function,
                                         std::int32_t logit) {
  constexpr std::int32_t kEnd = 32 << kLogitFraction;
  switch (function) {
    case ScoreFunction::sigmoid:
      return interpolate_score(tables.sigmoid, logit);
    case ScoreFunction::sqrt_softplus:
      if (logit > kEnd) {  // softplus(x) = x to the last bit
        return static_cast<std::int32_t>(integer_sqrt(static_cast<std::uint64_t>(logit)
                                                      << (2 * kScoreFraction - kLogitFraction)));
      }
      return interpolate_score(tables.sqrt_softplus, logit);
    case ScoreFunction::identity: {
      const std::int32_t clamped = logit < -kEnd ? -kEnd : (logit > kEnd ? kEnd : logit);
      return clamped * (1 << (kScoreFraction - kLogitFraction));
    }
    case ScoreFunction::softmax:
      break;
  }
  return logit;
}

}  // namespace tollgate::kernels
