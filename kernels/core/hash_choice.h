#pragma once
/// The made table of hash routing, entry by entry.

#include <cstdint>

#include "kernels/core/gate_spec.h"
#include "kernels/core/host_device.h"
#include "kernels/core/philox.h"

namespace tollgate::kernels {

/// `top_k` different experts of `experts` for a token id at a layer: n-th, a draw among the
/// `experts - n` that are left, in order of id.
TOLLGATE_HD inline void made_hash_entry(std::uint64_t seed, int layer, std::uint32_t token_id,
                                        int experts, int top_k, std::uint16_t* chosen) {
  std::uint16_t sorted[kMaxTopK];
  Words4 words{};
  for (int n = 0; n < top_k; ++n) {
    if (n % 4 == 0) {
      // The table belongs to the model: the stream word stays zero.
      words =
          philox4x32(token_id, draw_block(Purpose::hash_table, static_cast<std::uint32_t>(n / 4)),
                     static_cast<std::uint32_t>(layer), 0, seed);
    }
    int expert =
        static_cast<int>(multiply_high(words.w[n % 4], static_cast<std::uint32_t>(experts - n)));
    int place = 0;
    while (place < n && sorted[place] <= expert) {
      ++expert;
      ++place;
    }
    for (int i = n; i > place; --i) sorted[i] = sorted[i - 1];
    sorted[place] = static_cast<std::uint16_t>(expert);
    chosen[n] = static_cast<std::uint16_t>(expert);
  }
}

/// The entry of a table given ([vocabulary][top_k] or [layers][vocabulary][top_k], then
/// `layer_stride` is its size at one layer, else zero), or of the made one if `table` is null.
TOLLGATE_HD inline void hash_entry(const std::uint16_t* table, long long layer_stride,
                                   std::uint64_t seed, int layer, std::uint32_t token_id,
                                   int experts, int top_k, std::uint16_t* chosen) {
  if (table == nullptr) return made_hash_entry(seed, layer, token_id, experts, top_k, chosen);
  const std::uint16_t* row =
      table + layer * layer_stride + static_cast<long long>(token_id) * top_k;
  for (int n = 0; n < top_k; ++n) chosen[n] = row[n];
}

}  // namespace tollgate::kernels
