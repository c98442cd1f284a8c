#include "kernels/reference/stable_dispatch.h"

#include <algorithm>

namespace tollgate::kernels {

Dispatch stable_sorted_dispatch(std::span<const std::uint16_t> slots, int top_k,
                                const Placement& placement, int tile) {
  check_dispatch(slots, top_k, placement, tile);
  Dispatch out;
  out.tokens = static_cast<int>(slots.size()) / top_k;
  out.top_k = top_k;
  out.tile = tile;
  out.slot_begin = out.padded_begin = {0};
  for (int p = 0; p < placement.slots; ++p) {
    const auto rows = static_cast<std::int32_t>(
        std::count(slots.begin(), slots.end(), static_cast<std::uint16_t>(p)));
    out.slot_rows.push_back(rows);
    out.slot_begin.push_back(out.slot_begin.back() + rows);
    out.padded_begin.push_back(out.padded_begin.back() + (rows + tile - 1) / tile * tile);
  }
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (slots[i] != kNoSlot) out.choice_of_row.push_back(static_cast<std::int32_t>(i));
  }
  std::stable_sort(out.choice_of_row.begin(), out.choice_of_row.end(),
                   [&](std::int32_t a, std::int32_t b) { return slots[a] < slots[b]; });
  return out;
}

}  // namespace tollgate::kernels
