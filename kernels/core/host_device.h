#pragma once
/// Marks functions that nvcc compiles for both sides. Files in core/ include no library headers.

#if defined(__CUDACC__)
#define TOLLGATE_HD __host__ __device__
#define TOLLGATE_UNROLL _Pragma("unroll")
#define TOLLGATE_NOINLINE __noinline__
#else
#define TOLLGATE_HD
#define TOLLGATE_UNROLL
#define TOLLGATE_NOINLINE [[gnu::noinline]]
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

/// The upper half of a 128-bit product.
TOLLGATE_HD inline std::uint64_t multiply_high_64(std::uint64_t a, std::uint64_t b) {
#if defined(__CUDA_ARCH__)
  return __umul64hi(a, b);
#else
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(a) * b) >> 64);
#endif
}

}  // namespace tollgate::kernels
