#pragma once
/// Logits given as float32, on their way to fixed point.

#include <cstdint>

#include "kernels/core/fixed_point.h"
#include "kernels/core/host_device.h"

namespace tollgate::kernels {

/// The logit with 20 fraction bits: multiplied by 2^20 (exact), clamped to +-(2^31 - 128), rounded
/// to the nearest integer, halves to even. So logits closer than 2^-20 can tie, and those at or
/// beyond +-2048, the infinities included, do. Not for NaN.
TOLLGATE_HD inline std::int32_t logit_to_fixed(float logit) {
  constexpr float kLimit = 2147483520.0f;  // the largest float below 2^31
  const float scaled = logit * static_cast<float>(1 << kLogitFraction);
  const float clamped = scaled < -kLimit ? -kLimit : (scaled > kLimit ? kLimit : scaled);
#if defined(__CUDA_ARCH__)
  return __float2int_rn(clamped);
#else
  constexpr double kShift = 6755399441055744.0;  // 1.5 * 2^52: its low bits hold the integer
  return static_cast<std::int32_t>(
      __builtin_bit_cast(std::int64_t, static_cast<double>(clamped) + kShift));
#endif
}

}  // namespace tollgate::kernels
