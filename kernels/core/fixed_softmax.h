#pragma once
/// Softmax in integers: probabilities that are compared across experts or tokens.

#include <cstdint>

#include "kernels/core/fixed_point.h"
#include "kernels/core/host_device.h"
#include "kernels/core/math_tables.h"

namespace tollgate::kernels {

/// exp(difference) with 31 fraction bits for a difference of logits <= 0 (20 fraction bits);
/// relative error below 2e-6 down to 2^-12, and below one unit always. Non-decreasing.
TOLLGATE_HD inline std::uint32_t fixed_exp(const ScoreTables& tables, std::int64_t difference) {
  constexpr std::uint64_t kLog2eQ30 = 1549082005;  // round(log2(e) * 2^30)
  const auto minus = static_cast<std::uint64_t>(-difference);
  const std::uint64_t bits = (minus * kLog2eQ30) >> 18;  // -log2 with 32 fraction bits
  const std::uint64_t octaves = bits >> 32;
  if (octaves > 31) return 0;
  const auto i = static_cast<std::uint32_t>(bits >> 24) & 255u;
  const std::uint64_t drop = tables.exp2[i] - tables.exp2[i + 1];
  const std::uint64_t value = tables.exp2[i] - ((drop * (bits & 0xFFFFFFu)) >> 24);
  return static_cast<std::uint32_t>(value >> octaves);
}

/// What the softmax of one token needs beside a logit: its largest logit, and 2^63 over the sum of
/// `fixed_exp` of all logits less the largest. The sum lies between 2^31 and 2^41, so that the
/// inverse has 22 significant bits at least.
struct TokenScale {
  std::int32_t largest = 0;
  std::uint64_t inverse = 0;
};

TOLLGATE_HD inline TokenScale make_token_scale(std::int32_t largest, std::uint64_t sum) {
  return {largest, (std::uint64_t{1} << 63) / sum};
}

/// The softmax probability of a logit with `kSoftmaxFraction` bits; error below 5e-6 of it plus 2^-29.
/// Non-decreasing in the logit; below 2^-30 it is zero.
TOLLGATE_HD inline std::int32_t probability(const ScoreTables& tables, const TokenScale& scale,
                                            std::int32_t logit) {
  const std::uint64_t e = fixed_exp(tables, static_cast<std::int64_t>(logit) - scale.largest);
  return static_cast<std::int32_t>((e * scale.inverse) >> (31 + 32 - kSoftmaxFraction));
}

}  // namespace tollgate::kernels
