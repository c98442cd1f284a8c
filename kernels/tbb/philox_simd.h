#pragma once
/// Philox of several counters at once, the words of `philox4x32` exactly. Only for code that asked
/// the processor first; empty on other processors than x86-64.

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>

// GCC 12 warns about its own _mm512_undefined_epi32 (GCC bug 105593), at the end of the including
// file.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#define TOLLGATE_AVX512 __attribute__((target("avx512f")))
#define TOLLGATE_AVX2 __attribute__((target("avx2")))

namespace tollgate::kernels {

// In these two every 64-bit lane carries one counter's word in its low half; the high half is
// rubbish, which vpmuludq ignores.

/// Eight counters; words in c0 .. c3.
struct Lanes512 {
  __m512i c0, c1, c2, c3;
};

TOLLGATE_AVX512 inline void philox_lanes(Lanes512& v, std::uint64_t key) {
  const __m512i m0 = _mm512_set1_epi64(0xD2511F53);
  const __m512i m1 = _mm512_set1_epi64(0xCD9E8D57);
  std::uint32_t k0 = static_cast<std::uint32_t>(key);
  std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const __m512i p0 = _mm512_mul_epu32(v.c0, m0);
    const __m512i p1 = _mm512_mul_epu32(v.c2, m1);
    v.c0 = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p1, 32), v.c1, _mm512_set1_epi64(k0), 0x96);
    v.c2 = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p0, 32), v.c3, _mm512_set1_epi64(k1), 0x96);
    v.c1 = p1;
    v.c3 = p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

/// Four counters; words in c0 .. c3.
struct Lanes256 {
  __m256i c0, c1, c2, c3;
};

TOLLGATE_AVX2 inline void philox_lanes(Lanes256& v, std::uint64_t key) {
  const __m256i m0 = _mm256_set1_epi64x(0xD2511F53);
  const __m256i m1 = _mm256_set1_epi64x(0xCD9E8D57);
  std::uint32_t k0 = static_cast<std::uint32_t>(key);
  std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const __m256i p0 = _mm256_mul_epu32(v.c0, m0);
    const __m256i p1 = _mm256_mul_epu32(v.c2, m1);
    v.c0 =
        _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p1, 32), v.c1), _mm256_set1_epi64x(k0));
    v.c2 =
        _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p0, 32), v.c3), _mm256_set1_epi64x(k1));
    v.c1 = p1;
    v.c3 = p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

/// 32-bit words of 16 lanes: even and odd lanes of 64-bit results side by side.
TOLLGATE_AVX512 inline __m512i low_words(__m512i even, __m512i odd) {
  return _mm512_mask_shuffle_epi32(even, 0xAAAA, odd, _MM_PERM_CCAA);
}
TOLLGATE_AVX512 inline __m512i high_words(__m512i even, __m512i odd) {
  return _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
}

/// Philox of 16 counters; c[0..3] become the words.
TOLLGATE_AVX512 inline void philox16(__m512i c[4], std::uint64_t key) {
  const __m512i m0 = _mm512_set1_epi32(static_cast<int>(0xD2511F53u));
  const __m512i m1 = _mm512_set1_epi32(static_cast<int>(0xCD9E8D57u));
  std::uint32_t k0 = static_cast<std::uint32_t>(key);
  std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const __m512i even0 = _mm512_mul_epu32(c[0], m0);
    const __m512i odd0 = _mm512_mul_epu32(_mm512_srli_epi64(c[0], 32), m0);
    const __m512i even1 = _mm512_mul_epu32(c[2], m1);
    const __m512i odd1 = _mm512_mul_epu32(_mm512_srli_epi64(c[2], 32), m1);
    c[0] = _mm512_ternarylogic_epi32(high_words(even1, odd1), c[1],
                                     _mm512_set1_epi32(static_cast<int>(k0)), 0x96);
    c[2] = _mm512_ternarylogic_epi32(high_words(even0, odd0), c[3],
                                     _mm512_set1_epi32(static_cast<int>(k1)), 0x96);
    c[1] = low_words(even1, odd1);
    c[3] = low_words(even0, odd0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

}  // namespace tollgate::kernels

#endif
