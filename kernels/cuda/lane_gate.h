#pragma once
/// The gate as one lane of a warp runs it. The exchange between lanes is a parameter, so that a
/// test can run the very same code on 32 host threads.

#include <cstdint>

#include "kernels/core/gate.h"
#include "kernels/core/noise.h"
#include "kernels/core/noise_words.h"

namespace tollgate::kernels {

inline constexpr int kLanes = 32;
/// Below every ranked value that can occur.
inline constexpr std::int32_t kAbsent = -2147483647 - 1;

/// Slot s of a lane holds this expert: a lane owns whole draw blocks of four experts.
TOLLGATE_HD constexpr int lane_expert(int lane, int slot) {
  return 4 * (lane + kLanes * (slot / 4)) + slot % 4;
}

/// Fills a lane's ranked values for one token, or its logits if `All` (the gate `evaluates_all`);
/// `Slots` is 4 times the draw blocks per lane.
template <bool All, int Slots>
TOLLGATE_HD inline void lane_values(const Gate& gate, const GumbelTables& tables,
                                    const std::int32_t* offsets, std::uint64_t seed,
                                    std::uint32_t stream, int layer, int token, int lane,
                                    std::int32_t (&values)[Slots]) {
  TOLLGATE_UNROLL
  for (int i = 0; i < Slots / 4; ++i) {
    const int block = lane + kLanes * i;
    const Words4 words = noise_words(seed, stream, layer, token, block);
    TOLLGATE_UNROLL
    for (int j = 0; j < 4; ++j) {
      const int e = 4 * block + j;
      if (e >= gate.experts) {
        values[4 * i + j] = kAbsent;
        continue;
      }
      const std::int32_t logit = offsets[e] + gumbel(tables, words.w[j]);
      if constexpr (All) {
        values[4 * i + j] = logit;
      } else {
        values[4 * i + j] = ranked_value(gate, e, logit);
      }
    }
  }
}

/// Turns a lane's logits into ranked values for a gate that `evaluates_all`.
///   warp_max(key), warp_sum(value)  the largest key and the sum over the 32 lanes, to all of them
template <int Slots, typename WarpMax, typename WarpSum>
TOLLGATE_HD inline TokenScale lane_scale(const Gate& gate, int lane, std::int32_t (&values)[Slots],
                                         WarpMax warp_max, WarpSum warp_sum) {
  std::int32_t largest = kAbsent;
  TOLLGATE_UNROLL
  for (int s = 0; s < Slots; ++s) largest = values[s] > largest ? values[s] : largest;
  largest = static_cast<std::int32_t>(warp_max(std::int64_t{largest}));
  std::uint64_t sum = 0;
  TOLLGATE_UNROLL
  for (int s = 0; s < Slots; ++s) {
    if (values[s] == kAbsent) continue;
    sum += fixed_exp(*gate.scores, static_cast<std::int64_t>(values[s]) - largest);
  }
  const TokenScale scale = make_token_scale(largest, warp_sum(sum));
  TOLLGATE_UNROLL
  for (int s = 0; s < Slots; ++s) {
    if (values[s] != kAbsent) {
      values[s] = ranked_value(gate, lane_expert(lane, s), values[s], scale);
    }
  }
  return scale;
}

/// The largest selection key among a lane's experts in [first, last), or the least int64.
template <int Slots>
TOLLGATE_HD inline std::int64_t lane_best(int lane, const std::int32_t (&values)[Slots], int first,
                                          int last, std::int64_t below) {
  std::int64_t best = INT64_MIN;
  TOLLGATE_UNROLL
  for (int s = 0; s < Slots; ++s) {
    const int e = lane_expert(lane, s);
    const std::int64_t key = selection_key(values[s], e);
    const bool counts = values[s] != kAbsent && e >= first && e < last && key < below;
    if (counts && key > best) best = key;
  }
  return best;
}

TOLLGATE_HD inline std::int32_t value_of_key(std::int64_t key) {
  return static_cast<std::int32_t>(key >> 16);
}

/// Chooses top_k experts; every lane calls this with its own values and gets the same result.
///   warp_max(key)  returns the largest key over the 32 lanes, to all of them
///   emit(n, e)     is told the n-th best expert
/// `scale` is what `lane_scale` returned if `All`, the gate `evaluates_all`.
template <bool All, int Slots, typename WarpMax, typename Emit>
TOLLGATE_HD inline void lane_choose(const Gate& gate, int lane, std::int32_t (&values)[Slots],
                                    const TokenScale& scale, WarpMax warp_max, Emit emit) {
  const GateSpec& spec = gate.spec;
  if (spec.groups_kept < spec.groups) {
    const int group_size = gate.experts / spec.groups;
    std::int64_t group_values[kMaxGroups];
    for (int g = 0; g < spec.groups; ++g) {
      const int first = g * group_size;
      const int last = first + group_size;
      const std::int64_t best = warp_max(lane_best(lane, values, first, last, INT64_MAX));
      std::int64_t second = best;
      if (spec.group_reduce == GroupReduce::top2_sum) {
        second = warp_max(lane_best(lane, values, first, last, best));
      }
      group_values[g] = group_value(gate, value_of_key(best), value_of_key(second), scale);
    }
    const std::uint64_t kept = kept_groups(spec, group_values);
    TOLLGATE_UNROLL
    for (int s = 0; s < Slots; ++s) {
      const int e = lane_expert(lane, s);
      if (e < gate.experts && ((kept >> (e / group_size)) & 1) == 0) values[s] = kAbsent;
    }
  }
  if constexpr (All) {
    if (spec.each_group) {
      const int group_size = gate.experts / spec.groups;
      const int each = spec.top_k / spec.groups;
      for (int g = 0; g < spec.groups; ++g) {
        std::int64_t last_of_group = INT64_MAX;
        for (int n = 0; n < each; ++n) {
          last_of_group = warp_max(
              lane_best(lane, values, g * group_size, (g + 1) * group_size, last_of_group));
          emit(g * each + n, expert_of_key(last_of_group));
        }
      }
      return;
    }
  }
  std::int64_t last_chosen = INT64_MAX;
  for (int n = 0; n < spec.top_k; ++n) {
    last_chosen = warp_max(lane_best(lane, values, 0, gate.experts, last_chosen));
    emit(n, expert_of_key(last_chosen));
  }
}

}  // namespace tollgate::kernels
