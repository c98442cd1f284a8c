#include "kernels/generator/fixed_exp.h"

#include "kernels/core/noise.h"

namespace tollgate::kernels {
namespace {

/// 2^(-i / 256) with 31 fraction bits. IEEE +, *, / only: the same bits everywhere.
struct Exp2Table {
  std::uint32_t value[257];
  Exp2Table() {
    constexpr double kLn2 = 0.69314718055994530942;
    for (int i = 0; i <= 256; ++i) {
      const double x = -kLn2 * i / 256.0;
      double sum = 1.0;
      double term = 1.0;
      for (int n = 1; n < 24; ++n) {
        term = term * x / n;
        sum = sum + term;
      }
      value[i] = static_cast<std::uint32_t>(sum * 2147483648.0 + 0.5);
    }
  }
};

}  // namespace

std::uint32_t exp_q31(std::int32_t logit) {
  static const Exp2Table table;
  constexpr std::uint64_t kLog2eQ30 = 1549082005;  // round(log2(e) * 2^30)
  const auto minus = static_cast<std::uint64_t>(-static_cast<std::int64_t>(logit));
  const std::uint64_t bits = (minus * kLog2eQ30) >> 18;  // -log2 with 32 fraction bits
  const std::uint64_t octaves = bits >> 32;
  if (octaves > 31) return 0;
  const auto i = static_cast<std::uint32_t>(bits >> 24) & 255u;
  const std::uint64_t drop = table.value[i] - table.value[i + 1];
  const std::uint64_t value = table.value[i] - ((drop * (bits & 0xFFFFFFu)) >> 24);
  return static_cast<std::uint32_t>(value >> octaves);
}

std::int32_t log_q20(std::uint64_t value) {
  const std::uint64_t log2 = log2_q30(gumbel_tables(), value);
  return static_cast<std::int32_t>(((log2 >> 2) * kLn2Q28) >> 36);
}

}  // namespace tollgate::kernels
