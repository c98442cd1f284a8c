#include "kernels/generator/alias_table.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace tollgate::kernels {

void share_units(std::span<const std::uint32_t> weights, std::span<std::uint32_t> units) {
  const std::size_t experts = weights.size();
  const std::uint64_t sum = std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
  const std::uint64_t all = static_cast<std::uint64_t>(experts) * kAliasUnits;
  const std::uint64_t spread = all - experts;  // one unit each is given in advance
  std::vector<std::pair<std::uint64_t, std::size_t>> remainders(experts);
  std::uint64_t left = spread;
  for (std::size_t e = 0; e < experts; ++e) {
    const std::uint64_t product = weights[e] * spread;
    units[e] = static_cast<std::uint32_t>(product / sum) + 1;
    left -= product / sum;
    remainders[e] = {sum - product % sum, e};  // smaller is a larger remainder
  }
  std::sort(remainders.begin(), remainders.end());
  for (std::size_t i = 0; i < left; ++i) units[remainders[i].second] += 1;
}

void build_alias_table(std::span<const std::uint32_t> units, std::span<AliasEntry> table) {
  const std::size_t experts = units.size();
  std::vector<std::uint64_t> rest(units.begin(), units.end());
  std::vector<std::uint32_t> small, large;
  for (std::size_t e = experts; e-- > 0;) {
    (rest[e] < kAliasUnits ? small : large).push_back(static_cast<std::uint32_t>(e));
  }
  while (!small.empty()) {
    const std::uint32_t poor = small.back();
    const std::uint32_t rich = large.back();
    small.pop_back();
    table[poor] = {static_cast<std::uint32_t>(rest[poor] << 10) | rich};
    rest[rich] -= kAliasUnits - rest[poor];
    if (rest[rich] < kAliasUnits) {
      large.pop_back();
      small.push_back(rich);
    }
  }
  for (const std::uint32_t e : large) table[e] = {e};  // full cells: both sides are e
}

}  // namespace tollgate::kernels
