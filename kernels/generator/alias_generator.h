#pragma once
/// Exact Plackett-Luce routing from alias tables: O(top_k) per token, sticky from token to token.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/generator/alias_draw.h"
#include "kernels/generator/generator_spec.h"

namespace tollgate::kernels {

/// Builds the tables of a problem once and draws from them as often as asked.
///
/// Exactness: weights are rounded to multiples of 2^-22 / experts of their sum, at least one such
/// unit; stickiness to 2^-16; the position of a word in the table to 2^-31 of the table. Given
/// these, draws are exact: duplicates are rejected, and a token that needs more than 4 * top_k
/// (for top-1, 8) proposals is finished by inversion over the experts not chosen yet.
///
/// Everything is decided in integers and drawn from counters (token, purpose, layer, stream), so
/// the results are the same for every thread count, processor and variant.
class AliasGenerator {
 public:
  /// Throws std::invalid_argument with a full sentence for a bad problem (see `validate`). Work:
  /// layers * contexts * experts, and with drift also layers * domains * experts * window.
  explicit AliasGenerator(GeneratorProblem problem);

  const GeneratorProblem& problem() const { return problem_; }
  int tokens() const { return starts_.back(); }  ///< per layer
  int sequences() const { return static_cast<int>(starts_.size()) - 1; }
  int contexts() const { return contexts_; }  ///< domains * topics, or 1 with given weights

  /// First token of each sequence, and `tokens()` at the end.
  std::span<const std::int32_t> sequence_starts() const { return starts_; }

  /// Domain of each sequence.
  std::span<const std::uint16_t> sequence_domains() const { return sequence_domains_; }

  /// The context, domain * topics + topic, of a token at a layer.
  int context(int layer, int token) const;

  /// Units of probability of the experts in a context; they sum to experts * 2^22.
  std::span<const std::uint32_t> units(int layer, int context) const;

  /// The chosen experts in the order drawn, at index (layer * tokens() + token) * top_k + slot.
  std::vector<std::uint16_t> select() const;

  /// Tokens of each expert: [layer * experts + expert]. Holds 2^14 tokens or sixteen sequences per
  /// thread at a time, never all choices.
  std::vector<std::int64_t> histogram() const;

  /// Assignments on the busiest of `ranks` ranks in every window of `window_tokens` consecutive
  /// tokens, [layer * windows + window], contiguous placement as in RoutingProblem::rank_counts:
  /// Monte-Carlo trials of a step without keeping the choices. Throws std::invalid_argument if a
  /// window would end within a sequence, or is longer than the tokens drawn, or there are more
  /// ranks than experts.
  std::vector<std::int64_t> busiest_loads(int window_tokens, int ranks) const;
  void check_windows(int window_tokens, int ranks) const;  ///< these errors alone

  /// What the inner loops of all backends work from; points into this object.
  AliasShape shape() const;

  /// Takes the variant of that name instead of the fastest; for tests and benchmarks. Throws
  /// std::invalid_argument if this processor has none.
  void use(std::string_view variant);

 private:
  struct Chunk {
    std::int64_t first, last;  ///< chains, see alias_lanes.h
    std::int64_t first_row, last_row;
  };

  void build_tables();
  void draw_contexts();
  std::vector<Chunk> chunks() const;
  void fill(const Chunk& chunk, std::int64_t first_row, std::uint16_t* out) const;

  GeneratorProblem problem_;
  int contexts_ = 1;
  std::size_t variant_ = 0;
  std::vector<std::int32_t> starts_;
  std::vector<std::uint16_t> sequence_domains_;
  std::vector<std::uint16_t> token_contexts_;
  std::vector<std::uint32_t> units_;
  std::vector<AliasEntry> tables_;
};

}  // namespace tollgate::kernels
