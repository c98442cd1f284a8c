#pragma once
/// The top_k of a warp's values as one lane runs it. Each lane keeps its two best at hand, so that
/// a round is one exchange of the best value and one of the lowest expert that has it; a lane that
/// gave both away looks through its values again, which is rare. The exchange is a parameter, so
/// that a test can run the very same code on 32 host threads.

#include <cstdint>

#include "kernels/cuda/lane_gate.h"

namespace tollgate::kernels {

/// A lane's best experts that are not chosen yet.
struct LaneHeads {
  std::int32_t value, next_value;
  std::uint32_t expert, next_expert;
};

inline constexpr std::uint32_t kNobody = 0xFFFFFFFFu;

/// The two best of those of a lane's values that `counts(value, expert)` holds for. A lane's
/// experts ascend with the slot, so equal values keep the lower one.
template <int Slots, typename Counts>
TOLLGATE_HD inline LaneHeads lane_heads(int lane, const std::int32_t (&values)[Slots],
                                        Counts counts) {
  LaneHeads heads = {kAbsent, kAbsent, kNobody, kNobody};
  TOLLGATE_UNROLL
  for (int s = 0; s < Slots; ++s) {
    const auto e = static_cast<std::uint32_t>(lane_expert(lane, s));
    const std::int32_t v = counts(values[s], e) ? values[s] : kAbsent;
    const bool best = v > heads.value;
    const bool second = v > heads.next_value;
    heads.next_value = best ? heads.value : (second ? v : heads.next_value);
    heads.next_expert = best ? heads.expert : (second ? e : heads.next_expert);
    heads.value = best ? v : heads.value;
    heads.expert = best ? e : heads.expert;
  }
  return heads;
}

/// Finds the top_k largest of the warp's values, kAbsent never among them; at least top_k are
/// present. Every lane gets the same result.
///   warp.max(v), warp.min(u)  over the 32 lanes, to all of them
///   warp.any(b)               whether b holds in any lane
///   emit(n, e)                is told the n-th best expert
template <int Slots, typename Warp, typename Emit>
TOLLGATE_HD inline void lane_top(int top_k, int lane, const std::int32_t (&values)[Slots],
                                 Warp warp, Emit emit) {
  LaneHeads heads = lane_heads(lane, values, [](std::int32_t, std::uint32_t) { return true; });
  bool at_end = false;  // the lane has no further value beyond its heads
  for (int n = 0; n < top_k; ++n) {
    const std::int32_t value = warp.max(heads.value);
    const std::uint32_t expert = warp.min(heads.value == value ? heads.expert : kNobody);
    emit(n, static_cast<int>(expert));
    if (heads.expert == expert) {
      heads.value = heads.next_value;
      heads.expert = heads.next_expert;
      heads.next_value = kAbsent;
      heads.next_expert = kNobody;
    }
    const bool empty = heads.expert == kNobody && !at_end;
    if (warp.any(empty)) {
      const auto comes_later = [&](std::int32_t v, std::uint32_t e) {
        return v < value || (v == value && e > expert);
      };
      if (empty) heads = lane_heads(lane, values, comes_later);
      at_end = heads.expert == kNobody;
    }
  }
}

}  // namespace tollgate::kernels
