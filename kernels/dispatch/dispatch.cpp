#include "kernels/dispatch/dispatch.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

namespace tollgate::kernels {
namespace {

void require(bool holds, const std::string& sentence) {
  if (!holds) throw std::invalid_argument(sentence);
}

std::int64_t round_up(std::int64_t rows, int tile) { return (rows + tile - 1) / tile * tile; }

void check_sizes(std::size_t choices, int top_k, int tile) {
  require(top_k >= 1 && choices % top_k == 0 && choices <= (std::size_t{1} << 30),
          std::to_string(choices) + " choices are not a whole number of tokens with " +
              std::to_string(top_k) + " choices each, or more than 2^30.");
  require(tile >= 1 && tile <= 4096,
          "The GEMM tile has " + std::to_string(tile) + " rows, but must have 1 to 4096.");
}

void check_largest(int largest, int slots) {
  require(largest < slots, "A token was sent to slot " + std::to_string(largest) +
                               ", but there are only " + std::to_string(slots) + " slots.");
}

}  // namespace

void dispatch(std::span<const std::uint16_t> slots, int top_k, const Placement& placement, int tile,
              Dispatch& out) {
  check_sizes(slots.size(), top_k, tile);
  const int count = placement.slots;
  out.tokens = static_cast<int>(slots.size()) / top_k;
  out.top_k = top_k;
  out.tile = tile;

  // Ids are clamped to one bin past the slots, so that the loop needs no branch.
  out.slot_rows.assign(count + 1, 0);
  int largest = -1;  // except kNoSlot
  for (const std::uint16_t slot : slots) {
    ++out.slot_rows[std::min<int>(slot, count)];
    largest = std::max<int>(largest, slot == kNoSlot ? -1 : slot);
  }
  check_largest(largest, count);
  out.slot_rows.pop_back();

  out.slot_begin.resize(count + 1);
  out.padded_begin.resize(count + 1);
  std::int64_t begin = 0;
  std::int64_t padded = 0;
  for (int p = 0; p < count; ++p) {
    out.slot_begin[p] = static_cast<std::int32_t>(begin);
    out.padded_begin[p] = static_cast<std::int32_t>(padded);
    begin += out.slot_rows[p];
    padded += round_up(out.slot_rows[p], tile);
  }
  require(padded <= std::numeric_limits<std::int32_t>::max(),
          "The rows padded to tiles are 2^31 or more.");
  out.slot_begin[count] = static_cast<std::int32_t>(begin);
  out.padded_begin[count] = static_cast<std::int32_t>(padded);

  out.choice_of_row.resize(begin);
  std::vector<std::int32_t> next(out.slot_begin.begin(), out.slot_begin.end() - 1);
  std::int32_t* choice_of_row = out.choice_of_row.data();
  const auto choices = static_cast<std::int32_t>(slots.size());
  if (begin == choices) {
    for (std::int32_t i = 0; i < choices; ++i) choice_of_row[next[slots[i]]++] = i;
  } else {
    for (std::int32_t i = 0; i < choices; ++i) {
      if (slots[i] != kNoSlot) choice_of_row[next[slots[i]]++] = i;
    }
  }
}

Dispatch dispatch(std::span<const std::uint16_t> slots, int top_k, const Placement& placement,
                  int tile) {
  Dispatch out;
  dispatch(slots, top_k, placement, tile, out);
  return out;
}

void check_dispatch(std::span<const std::uint16_t> slots, int top_k, const Placement& placement,
                    int tile) {
  check_sizes(slots.size(), top_k, tile);
  std::vector<std::int64_t> rows(static_cast<std::size_t>(placement.slots));
  int largest = -1;
  for (const std::uint16_t slot : slots) {
    if (slot == kNoSlot) continue;
    largest = std::max<int>(largest, slot);
    if (slot < placement.slots) ++rows[slot];
  }
  check_largest(largest, placement.slots);
  std::int64_t padded = 0;
  for (const std::int64_t n : rows) padded += round_up(n, tile);
  require(padded <= std::numeric_limits<std::int32_t>::max(),
          "The rows padded to tiles are 2^31 or more.");
}

RankWork rank_work(const Dispatch& dispatched, const Placement& placement) {
  const int ranks = placement.grid.ranks;
  const int per_rank = placement.slots_per_rank();
  RankWork work;
  work.active_slots.assign(ranks, 0);
  for (int rank = 0; rank < ranks; ++rank) {
    const int first = rank * per_rank;
    const int last = first + per_rank;
    work.rows.push_back(dispatched.slot_begin[last] - dispatched.slot_begin[first]);
    work.padded_rows.push_back(dispatched.padded_begin[last] - dispatched.padded_begin[first]);
    for (int p = first; p < last; ++p) {
      work.active_slots[rank] += dispatched.slot_rows[p] > 0 ? 1 : 0;
    }
  }
  return work;
}

}  // namespace tollgate::kernels
