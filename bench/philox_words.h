#pragma once
/// Loops that do nothing but draw Philox words: the limit of everything that is drawn.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/core/philox.h"
#include "kernels/tbb/philox_simd.h"

namespace tollgate::kernels {

/// Fills `words` with those of counters (first, 0, 0, 0), (first + 1, 0, 0, 0), ...; `count` is a
/// multiple of 64. The order within a vector is the variant's own.
using PhiloxFunction = void (*)(std::uint32_t first, std::uint64_t key, std::uint32_t* words,
                                std::size_t count);

inline void philox_plain(std::uint32_t first, std::uint64_t key, std::uint32_t* words,
                         std::size_t count) {
  for (std::size_t i = 0; i < count; i += 4) {
    const Words4 four = philox4x32(first++, 0, 0, 0, key);
    for (int j = 0; j < 4; ++j) words[i + j] = four.w[j];
  }
}

#if defined(__x86_64__)
TOLLGATE_AVX512 inline void philox_avx512(std::uint32_t first, std::uint64_t key,
                                          std::uint32_t* words, std::size_t count) {
  const __m512i step = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
  const __m512i zero = _mm512_setzero_si512();
  for (std::size_t i = 0; i < count; i += 64, first += 16) {
    Lanes512 even{_mm512_add_epi64(_mm512_set1_epi64(first), step), zero, zero, zero};
    Lanes512 odd = even;
    odd.c0 = _mm512_add_epi64(odd.c0, _mm512_set1_epi64(1));
    philox_lanes(even, key);
    philox_lanes(odd, key);
    const __m512i evens[4] = {even.c0, even.c1, even.c2, even.c3};
    const __m512i odds[4] = {odd.c0, odd.c1, odd.c2, odd.c3};
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      _mm512_storeu_si512(
          words + i + 16 * j,
          _mm512_mask_blend_epi32(0xAAAA, evens[j], _mm512_slli_epi64(odds[j], 32)));
    }
  }
}

TOLLGATE_AVX2 inline void philox_avx2(std::uint32_t first, std::uint64_t key, std::uint32_t* words,
                                      std::size_t count) {
  const __m256i step = _mm256_setr_epi64x(0, 2, 4, 6);
  const __m256i zero = _mm256_setzero_si256();
  for (std::size_t i = 0; i < count; i += 32, first += 8) {
    Lanes256 even{_mm256_add_epi64(_mm256_set1_epi64x(first), step), zero, zero, zero};
    Lanes256 odd = even;
    odd.c0 = _mm256_add_epi64(odd.c0, _mm256_set1_epi64x(1));
    philox_lanes(even, key);
    philox_lanes(odd, key);
    const __m256i evens[4] = {even.c0, even.c1, even.c2, even.c3};
    const __m256i odds[4] = {odd.c0, odd.c1, odd.c2, odd.c3};
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(words + i + 8 * j),
                          _mm256_blend_epi32(evens[j], _mm256_slli_epi64(odds[j], 32), 0xAA));
    }
  }
}
#endif

struct PhiloxVariant {
  std::string_view name;
  PhiloxFunction fill;
};

/// The variants this processor can run, fastest first.
inline std::vector<PhiloxVariant> philox_variants() {
  std::vector<PhiloxVariant> variants;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) variants.push_back({"avx512", philox_avx512});
  if (__builtin_cpu_supports("avx2")) variants.push_back({"avx2", philox_avx2});
#endif
  variants.push_back({"plain", philox_plain});
  return variants;
}

}  // namespace tollgate::kernels
