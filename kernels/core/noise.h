#pragma once
/// Gumbel and normal deviates from 32-bit words, in integers only.

#include <cstdint>

#include "kernels/core/fixed_point.h"
#include "kernels/core/host_device.h"
#include "kernels/core/math_tables.h"

namespace tollgate::kernels {

inline constexpr std::uint64_t kLn2Q28 = 186065279;     ///< floor(ln 2 * 2^28)
inline constexpr std::int32_t kMinusLnLn2Q20 = 384316;  ///< floor(-ln(ln 2) * 2^20)

/// log2(value) with 30 fraction bits, error below 3e-6, non-decreasing. `value` is not zero.
TOLLGATE_HD inline std::uint64_t log2_q30(const GumbelTables& tables, std::uint64_t value) {
  const int octave = highest_bit(value);
  const std::uint32_t fraction =
      static_cast<std::uint32_t>(octave >= 32 ? value >> (octave - 32) : value << (32 - octave));
  const std::uint32_t i = fraction >> 24;
  const std::uint64_t slope = tables.log2[i + 1] - tables.log2[i];
  return (static_cast<std::uint64_t>(octave) << 30) + tables.log2[i] +
         ((slope * (fraction & 0xFFFFFFu)) >> 24);
}

/// Standard Gumbel deviate -ln(-ln(1 - w)), w = (2 * word + 1) / 2^33, as a logit; error below
/// 5e-6. **Non-increasing in `word`**: small words are large deviates, which lets a backend decide
/// "is this logit above a threshold" by comparing words.
///
/// For w < 1/2, -ln(1 - w) is w times a smooth factor, so that the upper tail keeps its relative
/// precision down to w = 2^-33; otherwise two integer logarithms.
TOLLGATE_HD inline std::int32_t gumbel(const GumbelTables& tables, std::uint32_t word) {
  constexpr std::uint64_t kAll = std::uint64_t{33} << 30;
  if (word < 0x80000000u) {
    const std::uint64_t w = 2 * static_cast<std::uint64_t>(word) + 1;
    const std::uint64_t minus_log2 = kAll - log2_q30(tables, w);
    const std::uint32_t i = word >> 23;
    const std::uint64_t slope = tables.log_h[i + 1] - tables.log_h[i];
    const std::uint64_t log_h = tables.log_h[i] + ((slope * (word & 0x7FFFFFu)) >> 23);
    return static_cast<std::int32_t>((minus_log2 * kLn2Q28) >> 38) -
           static_cast<std::int32_t>(log_h >> 10);
  }
  const std::uint64_t survival = 2 * static_cast<std::uint64_t>(~word) + 1;
  const std::uint64_t minus_log2 = kAll - log2_q30(tables, survival);
  const std::uint64_t log2_of_it = log2_q30(tables, minus_log2) - (std::uint64_t{30} << 30);
  return kMinusLnLn2Q20 - static_cast<std::int32_t>((log2_of_it * kLn2Q28) >> 38);
}

/// Standard normal deviate with 20 fraction bits by the inverse distribution function, linear
/// between 32 nodes per octave of tail probability; error below 1e-4, range +-6.4.
TOLLGATE_HD inline std::int32_t normal(const NormalTable& table, std::uint32_t word) {
  const std::uint32_t tail = 2 * (word & 0x7FFFFFFFu) + 1;  // probability tail / 2^33
  const int octave = highest_bit(tail);
  const std::uint32_t mantissa = tail << (31 - octave);
  const int i = octave * 32 + static_cast<int>((mantissa >> 26) & 31u);
  const std::int64_t slope = table.quantile[i + 1] - table.quantile[i];
  const std::int32_t magnitude =
      table.quantile[i] + static_cast<std::int32_t>(slope * (mantissa & 0x3FFFFFFu) / (1 << 26));
  return (word >> 31) != 0 ? -magnitude : magnitude;
}

}  // namespace tollgate::kernels
