#include "kernels/generator/alias_lanes.h"

#include <algorithm>
#include <vector>

#include "kernels/core/gate_spec.h"
#include "kernels/tbb/philox_simd.h"

namespace tollgate::kernels {
namespace {

void draw_token(const AliasShape& shape, int layer, std::int32_t token,
                const std::uint16_t* previous, std::uint16_t* chosen) {
  const AliasEntry* table = shape.tables + alias_cell(shape, layer, token);
  const AliasRule rule = alias_rule(shape, previous != nullptr);
  const int blocks = alias_blocks(shape.top_k);
  std::uint64_t seen[kMaxExperts / 64];
  for (int i = 0; i < (shape.experts + 63) / 64; ++i) seen[i] = 0;
  // A duplicate is written and then overwritten: no branch on it. Hence one place more than top_k.
  std::uint16_t buffer[kMaxTopK + 4];
  int found = 0;
  for (int block = 0; block < blocks; ++block) {
    const Words4 words = alias_words(shape, layer, token, static_cast<std::uint32_t>(block));
    for (const std::uint32_t word : words.w) {
      const int e =
          alias_propose(shape, table, rule, word, [&](int slot) -> int { return previous[slot]; });
      const std::uint64_t bit = std::uint64_t{1} << (e & 63);
      std::uint64_t& part = seen[e >> 6];
      buffer[found] = static_cast<std::uint16_t>(e);
      found += (part & bit) == 0 ? 1 : 0;
      part |= bit;
    }
    if (found >= shape.top_k) break;
  }
  found = std::min(found, shape.top_k);
  for (int i = 0; i < found; ++i) chosen[i] = buffer[i];
  if (found < shape.top_k) alias_finish(shape, layer, token, previous, chosen, found);
}

void fill_plain(const AliasShape& shape, std::int64_t first, std::int64_t last,
                std::int64_t first_row, std::uint16_t* out) {
  for (std::int64_t chain = first; chain < last; ++chain) {
    const int layer = static_cast<int>(chain / shape.sequences);
    const auto sequence = static_cast<std::size_t>(chain % shape.sequences);
    const std::int32_t begin = shape.sequence_starts[sequence];
    const std::int32_t end = shape.sequence_starts[sequence + 1];
    std::uint16_t* row =
        out + (static_cast<std::int64_t>(layer) * shape.tokens + begin - first_row) * shape.top_k;
    const std::uint16_t* previous = nullptr;
    for (std::int32_t token = begin; token < end; ++token) {
      draw_token(shape, layer, token, previous, row);
      previous = row;
      row += shape.top_k;
    }
  }
}

#if defined(__x86_64__)

/// What the 16 lanes are at. A lane walks one chain and then takes the next one of the range.
struct alignas(64) Lanes {
  std::uint32_t token[16];
  std::uint32_t layer[16];
  std::int32_t table[16];  ///< index of the first cell
  std::int32_t end[16];
  std::uint16_t* row[16];
};

/// Sixteen tokens at a time. K = 0 takes top_k at run time.
template <int K>
TOLLGATE_AVX512 void fill_avx512(const AliasShape& shape, std::int64_t first, std::int64_t last,
                                 std::int64_t first_row, std::uint16_t* out) {
  const int k = K > 0 ? K : shape.top_k;
  const int blocks = alias_blocks(k);
  const __m512i lane_ids = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i all_found = _mm512_set1_epi32(k);
  const __m512i stream = _mm512_set1_epi32(static_cast<int>(shape.stream));
  const __m128i shift = _mm_cvtsi32_si128(shape.shift);
  Lanes lanes = {};
  alignas(64) std::uint32_t previous[16 * kMaxTopK];  // [slot][lane]
  alignas(64) std::uint32_t found_now[16];
  __m512i chosen[K > 0 ? K : kMaxTopK];  // newest first
  for (int i = 0; i < k; ++i) _mm512_store_si512(previous + 16 * i, _mm512_setzero_si512());

  std::int64_t next = first;
  unsigned active = 0;
  unsigned fresh = 0;  // lanes at the first token of their sequence
  const auto take_chain = [&](int lane) {
    if (next == last) {
      active &= ~(1u << lane);
      return;
    }
    const auto layer = static_cast<int>(next / shape.sequences);
    const auto sequence = static_cast<std::size_t>(next % shape.sequences);
    ++next;
    const std::int32_t begin = shape.sequence_starts[sequence];
    lanes.token[lane] = static_cast<std::uint32_t>(begin);
    lanes.layer[lane] = static_cast<std::uint32_t>(layer);
    lanes.end[lane] = shape.sequence_starts[sequence + 1];
    lanes.row[lane] =
        out + (static_cast<std::int64_t>(layer) * shape.tokens + begin - first_row) * k;
    active |= 1u << lane;
    fresh |= 1u << lane;
  };
  for (int lane = 0; lane < 16; ++lane) take_chain(lane);

  while (active != 0) {
    for (int lane = 0; lane < 16; ++lane) {
      const auto layer = static_cast<int>(lanes.layer[lane]);
      const int context = alias_context(shape, layer, static_cast<std::int32_t>(lanes.token[lane]));
      lanes.table[lane] = (layer * shape.contexts + context) * shape.experts;
    }
    const __m512i token = _mm512_load_si512(lanes.token);
    const __m512i layer = _mm512_load_si512(lanes.layer);
    const __m512i table = _mm512_load_si512(lanes.table);
    const auto is_fresh = static_cast<__mmask16>(fresh);
    const __m512i sticky = _mm512_mask_blend_epi32(
        is_fresh, _mm512_set1_epi32(static_cast<int>(shape.sticky)), _mm512_setzero_si512());
    const __m512i sticky_words = _mm512_slli_epi32(sticky, 16);
    const __m512i factor =
        _mm512_mask_blend_epi32(is_fresh, _mm512_set1_epi32(static_cast<int>(shape.sticky_factor)),
                                _mm512_set1_epi32(static_cast<int>(shape.free_factor)));
    const __m512i odd_factor = _mm512_srli_epi64(factor, 32);

#pragma GCC unroll 32
    for (int i = 0; i < k; ++i) chosen[i] = _mm512_set1_epi32(-1);
    __m512i found = _mm512_setzero_si512();
    auto open = static_cast<__mmask16>(active);
    for (int block = 0; block < blocks && open != 0; ++block) {
      const std::uint32_t counter =
          draw_block(kAliasProposal, shape.window << 8 | static_cast<std::uint32_t>(block));
      __m512i words[4] = {token, _mm512_set1_epi32(static_cast<int>(counter)), layer, stream};
      philox16(words, shape.seed);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const __m512i word = words[j];
        const __m512i rest = _mm512_sub_epi32(word, sticky_words);
        const __m512i even = _mm512_srl_epi64(_mm512_mul_epu32(rest, factor), shift);
        const __m512i odd =
            _mm512_srl_epi64(_mm512_mul_epu32(_mm512_srli_epi64(rest, 32), odd_factor), shift);
        const __mmask16 repeats =
            _mm512_mask_cmplt_epu32_mask(open, _mm512_srli_epi32(word, 16), sticky);
        const auto proposes = static_cast<__mmask16>(open & ~repeats);
        const __m512i cell = high_words(even, odd);
        const __m512i place = _mm512_srli_epi32(low_words(even, odd), 32 - kAliasBits);
        const __m512i entry = _mm512_mask_i32gather_epi32(
            _mm512_setzero_si512(), proposes, _mm512_add_epi32(table, cell), shape.tables, 4);
        const __mmask16 keeps = _mm512_cmplt_epu32_mask(place, _mm512_srli_epi32(entry, 10));
        __m512i expert =
            _mm512_mask_blend_epi32(keeps, _mm512_and_si512(entry, _mm512_set1_epi32(1023)), cell);
        if (repeats != 0) {
          const __m512i slot = _mm512_srli_epi32(
              _mm512_mullo_epi32(_mm512_and_si512(word, _mm512_set1_epi32(0xFFFF)), all_found), 16);
          const __m512i index = _mm512_add_epi32(_mm512_slli_epi32(slot, 4), lane_ids);
          expert = _mm512_mask_i32gather_epi32(expert, repeats, index, previous, 4);
        }
        __mmask16 accepted = open;
#pragma GCC unroll 32
        for (int i = 0; i < k; ++i) {
          accepted = _mm512_mask_cmpneq_epi32_mask(accepted, chosen[i], expert);
        }
#pragma GCC unroll 32
        for (int i = k - 1; i > 0; --i) {
          chosen[i] = _mm512_mask_mov_epi32(chosen[i], accepted, chosen[i - 1]);
        }
        chosen[0] = _mm512_mask_mov_epi32(chosen[0], accepted, expert);
        found = _mm512_mask_add_epi32(found, accepted, found, _mm512_set1_epi32(1));
        open = _mm512_mask_cmplt_epi32_mask(open, found, all_found);
      }
    }

    // Oldest first in `previous`, which is also where the rows are written from. A lane that ran
    // out of proposals has its experts at the end of that order; `finish` puts them right.
#pragma GCC unroll 32
    for (int i = 0; i < k; ++i) {
      if (open == 0) {
        _mm512_store_si512(previous + 16 * (k - 1 - i), chosen[i]);
      }
    }
    if (open != 0) {
      alignas(64) std::uint32_t partial[16 * kMaxTopK];
      for (int i = 0; i < k; ++i) _mm512_store_si512(partial + 16 * i, chosen[i]);
      _mm512_store_si512(found_now, found);
      for (unsigned rest = active; rest != 0; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
        const auto count = static_cast<int>(found_now[lane]);
        std::uint16_t before[kMaxTopK], now[kMaxTopK];
        for (int i = 0; i < k; ++i) before[i] = static_cast<std::uint16_t>(previous[16 * i + lane]);
        for (int i = 0; i < count; ++i) {
          now[i] = static_cast<std::uint16_t>(partial[16 * (count - 1 - i) + lane]);
        }
        if (count < k) {
          alias_finish(shape, static_cast<int>(lanes.layer[lane]),
                       static_cast<std::int32_t>(lanes.token[lane]),
                       ((fresh >> lane) & 1) != 0 ? nullptr : before, now, count);
        }
        for (int i = 0; i < k; ++i) previous[16 * i + lane] = now[i];
      }
    }

    fresh = 0;
    for (unsigned rest = active; rest != 0; rest &= rest - 1) {
      const int lane = __builtin_ctz(rest);
      std::uint16_t* row = lanes.row[lane];
#pragma GCC unroll 32
      for (int i = 0; i < k; ++i) row[i] = static_cast<std::uint16_t>(previous[16 * i + lane]);
      lanes.row[lane] = row + k;
      lanes.token[lane] += 1;
      if (static_cast<std::int32_t>(lanes.token[lane]) == lanes.end[lane]) {
        take_chain(lane);
        if (((active >> lane) & 1) == 0) lanes.token[lane] -= 1;  // stays a valid token
      }
    }
  }
}

void fill_avx512_any(const AliasShape& shape, std::int64_t first, std::int64_t last,
                     std::int64_t first_row, std::uint16_t* out) {
  const AliasFunction fill = shape.top_k == 4    ? fill_avx512<4>
                             : shape.top_k == 6  ? fill_avx512<6>
                             : shape.top_k == 8  ? fill_avx512<8>
                             : shape.top_k == 10 ? fill_avx512<10>
                             : shape.top_k == 16 ? fill_avx512<16>
                                                 : fill_avx512<0>;
  fill(shape, first, last, first_row, out);
}

#endif

std::vector<AliasVariant> supported_variants() {
  std::vector<AliasVariant> variants;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) variants.push_back({"avx512", fill_avx512_any});
#endif
  variants.push_back({"plain", fill_plain});
  return variants;
}

}  // namespace

std::span<const AliasVariant> alias_variants() {
  static const std::vector<AliasVariant> variants = supported_variants();
  return variants;
}

}  // namespace tollgate::kernels
