#pragma once
/// Walker's alias table in integers: one 32-bit word draws an expert in constant time.

#include <cstdint>
#include <span>

#include "kernels/core/host_device.h"

namespace tollgate::kernels {

/// Units of probability in one cell of a table. A table of E cells shares out E * 2^22 units.
inline constexpr int kAliasBits = 22;
inline constexpr std::uint32_t kAliasUnits = 1u << kAliasBits;

/// One cell: the threshold in the high 22 bits, the other expert in the low 10 bits.
struct AliasEntry {
  std::uint32_t packed;

  TOLLGATE_HD std::uint32_t threshold() const { return packed >> 10; }
  TOLLGATE_HD int other() const { return static_cast<int>(packed & 1023u); }
};

/// Shares out weights.size() * 2^22 units in proportion to the weights (below 2^31 each, one at
/// least positive), by largest remainder, the lowest id first among equals. Every expert gets one
/// unit at least, so that top_k different ones can always be found. Integers only.
void share_units(std::span<const std::uint32_t> weights, std::span<std::uint32_t> units);

/// The table that draws expert e with probability units[e] / (units.size() * 2^22) exactly.
/// The units sum to units.size() * 2^22.
void build_alias_table(std::span<const std::uint32_t> units, std::span<AliasEntry> table);

/// The expert at a position: the cell above the 32-bit binary point, the place in the cell below.
TOLLGATE_HD inline int alias_draw(const AliasEntry* table, std::uint64_t position) {
  const auto cell = static_cast<std::uint32_t>(position >> 32);
  const std::uint32_t place = static_cast<std::uint32_t>(position) >> (32 - kAliasBits);
  const AliasEntry entry = table[cell];
  return place < entry.threshold() ? static_cast<int>(cell) : entry.other();
}

}  // namespace tollgate::kernels
