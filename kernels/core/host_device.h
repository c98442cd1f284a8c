#pragma once
/// Marks functions that nvcc compiles for both sides. Files in core/ include no library headers.

#if defined(__CUDACC__)
#define TOLLGATE_HD __host__ __device__
#else
#define TOLLGATE_HD
#endif

#include <cstdint>

namespace tollgate::kernels {

/// Position of the highest set bit; `value` is not zero.
TOLLGATE_HD inline int highest_bit(std::uint64_t value) {
#if defined(__CUDA_ARCH__)
  return 63 - __clzll(static_cast<long long>(value));
#else
  return 63 - __builtin_clzll(value);
#endif
}

}  // namespace tollgate::kernels
