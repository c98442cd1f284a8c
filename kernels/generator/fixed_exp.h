#pragma once
/// Exponentials in integers, for weights.

#include <cstdint>

#include "kernels/core/fixed_point.h"

namespace tollgate::kernels {

/// exp(logit) with 31 fraction bits for logit <= 0 (20 fraction bits); relative error below 2e-6
/// down to 2^-12, and below one unit always. Non-decreasing.
std::uint32_t exp_q31(std::int32_t logit);

/// ln(value) with 20 fraction bits, error below 4e-6. `value` is not zero.
std::int32_t log_q20(std::uint64_t value);

}  // namespace tollgate::kernels
