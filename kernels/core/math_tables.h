#pragma once
/// Tables behind the integer logarithm, normal and score functions. They are evaluated by the host
/// compiler with IEEE +, -, *, / only, and the CUDA backend copies them to the device, so that all
/// backends read the same bits. Tests compare them with libm.

#include <cstdint>

namespace tollgate::kernels {

/// For the Gumbel generator; 30 fraction bits.
struct GumbelTables {
  std::uint32_t log2[257];   ///< log2(1 + i / 256)
  std::uint32_t log_h[257];  ///< ln(-ln(1 - w) / w) at w = i / 512, zero at w = 0
};

/// Scores at x = -32 + i / 64; 25 fraction bits. And 2^(-i / 256) with 31, for softmax.
struct ScoreTables {
  std::int32_t sigmoid[4097];
  std::int32_t sqrt_softplus[4097];
  std::uint32_t exp2[257];
};

/// x with Q(x) = (1 + i / 32) * 2^(octave - 33) at index octave * 32 + i, Q the upper tail of the
/// standard normal; the last entry is Q(0) = 1/2; 20 fraction bits.
struct NormalTable {
  std::int32_t quantile[32 * 32 + 1];
};

const GumbelTables& gumbel_tables();
const ScoreTables& score_tables();
const NormalTable& normal_table();

}  // namespace tollgate::kernels
