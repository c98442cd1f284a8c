#include "kernels/reference/draw_experts.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "kernels/core/fixed_point.h"
#include "kernels/core/philox.h"
#include "kernels/generator/alias_table.h"
#include "kernels/generator/draw_purpose.h"

namespace tollgate::kernels {
namespace {

__extension__ using Wide = unsigned __int128;
using Ids = std::vector<std::uint16_t>;

struct Token {
  const GeneratorProblem& problem;
  std::uint64_t sticky;  ///< of 2^16
  int layer;
  int number;

  Words4 words(int block) const {
    return philox4x32(static_cast<std::uint32_t>(number),
                      draw_block(kAliasProposal, static_cast<std::uint32_t>(problem.window) << 8 |
                                                     static_cast<std::uint32_t>(block)),
                      static_cast<std::uint32_t>(layer), problem.stream, problem.seed);
  }
};

/// The expert at a word that does not repeat: the words from sticky * 2^16 on are stretched over
/// the whole table, by a factor with 32 significant bits.
int table_draw(const Token& token, const std::vector<AliasEntry>& table, std::uint64_t word) {
  const Wide experts = table.size();
  const Wide free_words = (Wide{1} << 32) - (token.sticky << 16);
  int shift = 0;
  while (((experts << (33 + shift)) / free_words) >> 32 == 0 && shift < 20) ++shift;
  const auto factor = static_cast<std::uint64_t>((experts << (32 + shift)) / free_words);
  return alias_draw(table.data(), ((word - (token.sticky << 16)) * factor) >> shift);
}

/// All that is left by inversion, over what is not chosen yet.
void draw_rest(const Token& token, std::span<const std::uint32_t> units, const Ids& previous,
               Ids& chosen) {
  const auto k = static_cast<std::uint64_t>(token.problem.top_k);
  const std::uint64_t all = units.size() * kAliasUnits;
  std::vector<std::uint64_t> mass(units.size());
  for (std::size_t e = 0; e < mass.size(); ++e) mass[e] = units[e] * (65536 - token.sticky) * k;
  for (const std::uint16_t e : previous) mass[e] += token.sticky * all;
  for (const std::uint16_t e : chosen) mass[e] = 0;
  while (chosen.size() < k) {
    const std::uint64_t sum = std::accumulate(mass.begin(), mass.end(), std::uint64_t{0});
    const Words4 words = token.words(128 + static_cast<int>(chosen.size()));
    const std::uint64_t word = static_cast<std::uint64_t>(words.w[0]) << 32 | words.w[1];
    auto place = static_cast<std::uint64_t>((static_cast<Wide>(word) * sum) >> 64);
    std::size_t e = 0;
    while (place >= mass[e]) place -= mass[e++];
    chosen.push_back(static_cast<std::uint16_t>(e));
    mass[e] = 0;
  }
}

Ids draw_token(const Token& token, std::span<const std::uint32_t> units, const Ids& previous) {
  std::vector<AliasEntry> table(units.size());
  build_alias_table(units, table);
  const auto k = static_cast<std::size_t>(token.problem.top_k);
  Ids chosen;
  for (int proposal = 0; proposal < 4 * std::max(token.problem.top_k, 2); ++proposal) {
    if (chosen.size() == k) return chosen;
    const std::uint32_t word = token.words(proposal / 4).w[proposal % 4];
    const bool repeats = (word >> 16) < token.sticky;
    const auto e = static_cast<std::uint16_t>(repeats ? previous[((word & 0xFFFF) * k) >> 16]
                                                      : table_draw(token, table, word));
    if (std::find(chosen.begin(), chosen.end(), e) == chosen.end()) chosen.push_back(e);
  }
  draw_rest(token, units, previous, chosen);
  return chosen;
}

}  // namespace

std::vector<std::uint16_t> draw_experts(const AliasGenerator& generator) {
  const GeneratorProblem& problem = generator.problem();
  const auto starts = generator.sequence_starts();
  const auto sticky = static_cast<std::uint64_t>(to_fixed(problem.spec.stickiness, 16));
  Ids ids;
  for (int layer = 0; layer < problem.layers; ++layer) {
    for (std::size_t s = 0; s + 1 < starts.size(); ++s) {
      Ids previous;
      for (int number = starts[s]; number < starts[s + 1]; ++number) {
        const Token token = {problem, previous.empty() ? 0 : sticky, layer, number};
        previous =
            draw_token(token, generator.units(layer, generator.context(layer, number)), previous);
        ids.insert(ids.end(), previous.begin(), previous.end());
      }
    }
  }
  return ids;
}

}  // namespace tollgate::kernels
