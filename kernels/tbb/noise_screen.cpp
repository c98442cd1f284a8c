#include "kernels/tbb/noise_screen.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "kernels/core/gate.h"
#include "kernels/core/noise_words.h"
#include "kernels/tbb/philox_simd.h"

namespace tollgate::kernels {
namespace {

int screen_plain(const NoiseCounter& counter, int blocks, const std::uint32_t* limits,
                 std::uint32_t* words, std::uint16_t* candidates) {
  int count = 0;
  for (int b = 0; b < blocks; ++b) {
    const Words4 four = noise_words(counter.seed, counter.stream, static_cast<int>(counter.layer),
                                    static_cast<int>(counter.token), b);
    for (int j = 0; j < 4; ++j) {
      const int i = j * blocks + b;
      words[i] = four.w[j];
      candidates[count] = static_cast<std::uint16_t>(4 * b + j);
      count += words[i] <= limits[i] ? 1 : 0;
    }
  }
  return count;
}

void top_k_plain(std::int64_t* keys, int count, int k, std::uint16_t* chosen) {
  std::partial_sort(keys, keys + k, keys + count, std::greater<>());
  for (int i = 0; i < k; ++i) chosen[i] = static_cast<std::uint16_t>(expert_of_key(keys[i]));
}

#if defined(__x86_64__)

constexpr int kMostCounted = 64;

// Even and odd blocks run as two vectors and interleave at the end.

TOLLGATE_AVX512 int screen_avx512(const NoiseCounter& counter, int blocks,
                                  const std::uint32_t* limits, std::uint32_t* words,
                                  std::uint16_t* candidates) {
  int count = 0;
  const __m512i experts =
      _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60);
  const __m512i step = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
  const __m512i token = _mm512_set1_epi64(counter.token);
  const __m512i layer = _mm512_set1_epi64(counter.layer);
  const __m512i stream = _mm512_set1_epi64(counter.stream);
  for (int b = 0; b < blocks; b += 16) {
    const __m512i first = _mm512_set1_epi64(draw_block(Purpose::token_noise, b));
    Lanes512 even{token, _mm512_add_epi64(first, step), layer, stream};
    Lanes512 odd = even;
    odd.c1 = _mm512_add_epi64(odd.c1, _mm512_set1_epi64(1));
    philox_lanes(even, counter.seed);
    philox_lanes(odd, counter.seed);
    const __m512i evens[4] = {even.c0, even.c1, even.c2, even.c3};
    const __m512i odds[4] = {odd.c0, odd.c1, odd.c2, odd.c3};
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const int i = j * blocks + b;
      const __m512i all = _mm512_mask_blend_epi32(0xAAAA, evens[j], _mm512_slli_epi64(odds[j], 32));
      _mm512_store_si512(words + i, all);
      const __mmask16 hits = _mm512_cmple_epu32_mask(all, _mm512_load_si512(limits + i));
      const __m512i here = _mm512_maskz_compress_epi32(
          hits, _mm512_add_epi32(experts, _mm512_set1_epi32(4 * b + j)));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(candidates + count),
                          _mm512_cvtepi32_epi16(here));
      count += __builtin_popcount(hits);
    }
  }
  return count;
}

/// A key's place is the number of larger keys: n^2 compares, but no branch to mispredict.
TOLLGATE_AVX512 void top_k_avx512(std::int64_t* keys, int count, int k, std::uint16_t* chosen) {
  if (count > kMostCounted) return top_k_plain(keys, count, k, chosen);
  const int vectors = (count + 7) / 8;
  _mm512_storeu_si512(keys + count, _mm512_set1_epi64(INT64_MIN));
  std::uint16_t places[kMostCounted + 1];
  for (int i = 0; i < count; ++i) {
    const __m512i key = _mm512_set1_epi64(keys[i]);
    int place = 0;
    for (int v = 0; v < vectors; ++v) {
      place += __builtin_popcount(_mm512_cmpgt_epi64_mask(_mm512_loadu_si512(keys + 8 * v), key));
    }
    places[place] = static_cast<std::uint16_t>(expert_of_key(keys[i]));
  }
  std::copy_n(places, k, chosen);
}

/// Positions of the set bits of a byte, times four, one per byte from the lowest.
struct SetBits {
  std::int64_t times_four[256] = {};
  constexpr SetBits() {
    for (int bits = 0; bits < 256; ++bits) {
      int shift = 0;
      for (int i = 0; i < 8; ++i) {
        if (((bits >> i) & 1) == 0) continue;
        times_four[bits] |= std::int64_t{4 * i} << shift;
        shift += 8;
      }
    }
  }
};
constexpr SetBits kSetBits;

TOLLGATE_AVX2 int screen_avx2(const NoiseCounter& counter, int blocks, const std::uint32_t* limits,
                              std::uint32_t* words, std::uint16_t* candidates) {
  int count = 0;
  const __m256i step = _mm256_setr_epi64x(0, 2, 4, 6);
  const __m256i token = _mm256_set1_epi64x(counter.token);
  const __m256i layer = _mm256_set1_epi64x(counter.layer);
  const __m256i stream = _mm256_set1_epi64x(counter.stream);
  for (int b = 0; b < blocks; b += 8) {
    const __m256i first = _mm256_set1_epi64x(draw_block(Purpose::token_noise, b));
    Lanes256 even{token, _mm256_add_epi64(first, step), layer, stream};
    Lanes256 odd = even;
    odd.c1 = _mm256_add_epi64(odd.c1, _mm256_set1_epi64x(1));
    philox_lanes(even, counter.seed);
    philox_lanes(odd, counter.seed);
    const __m256i evens[4] = {even.c0, even.c1, even.c2, even.c3};
    const __m256i odds[4] = {odd.c0, odd.c1, odd.c2, odd.c3};
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const int i = j * blocks + b;
      const __m256i all = _mm256_blend_epi32(evens[j], _mm256_slli_epi64(odds[j], 32), 0xAA);
      _mm256_store_si256(reinterpret_cast<__m256i*>(words + i), all);
      const __m256i limit = _mm256_load_si256(reinterpret_cast<const __m256i*>(limits + i));
      const __m256i below = _mm256_cmpeq_epi32(_mm256_min_epu32(all, limit), all);
      const int hits = _mm256_movemask_ps(_mm256_castsi256_ps(below));
      const __m128i lanes = _mm_cvtepu8_epi16(_mm_cvtsi64_si128(kSetBits.times_four[hits]));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(candidates + count),
                       _mm_add_epi16(lanes, _mm_set1_epi16(static_cast<short>(4 * b + j))));
      count += __builtin_popcount(hits);
    }
  }
  return count;
}

TOLLGATE_AVX2 void top_k_avx2(std::int64_t* keys, int count, int k, std::uint16_t* chosen) {
  if (count > kMostCounted) return top_k_plain(keys, count, k, chosen);
  const int vectors = (count + 3) / 4;
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(keys + count), _mm256_set1_epi64x(INT64_MIN));
  std::uint16_t places[kMostCounted + 1];
  for (int i = 0; i < count; ++i) {
    const __m256i key = _mm256_set1_epi64x(keys[i]);
    __m256i larger = _mm256_setzero_si256();
    for (int v = 0; v < vectors; ++v) {
      const __m256i other = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(keys + 4 * v));
      larger = _mm256_sub_epi64(larger, _mm256_cmpgt_epi64(other, key));
    }
    alignas(32) std::int64_t lanes[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), larger);
    places[lanes[0] + lanes[1] + lanes[2] + lanes[3]] =
        static_cast<std::uint16_t>(expert_of_key(keys[i]));
  }
  std::copy_n(places, k, chosen);
}

#endif

std::vector<ScreenVariant> supported_variants() {
  std::vector<ScreenVariant> variants;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f"))
    variants.push_back({"avx512", screen_avx512, top_k_avx512});
  if (__builtin_cpu_supports("avx2")) variants.push_back({"avx2", screen_avx2, top_k_avx2});
#endif
  variants.push_back({"plain", screen_plain, top_k_plain});
  return variants;
}

}  // namespace

std::span<const ScreenVariant> screen_variants() {
  static const std::vector<ScreenVariant> variants = supported_variants();
  return variants;
}

}  // namespace tollgate::kernels
