#pragma once
/// Token ids of a hash-routed problem, and what the table says about them.

#include <cstdint>
#include <vector>

#include "kernels/core/hash_choice.h"
#include "kernels/problem.h"

namespace tollgate::kernels {

class HashRouting {
 public:
  /// Keeps a reference. Draws one id per token by 64-bit cumulative weights: a token's word picks
  /// the id whose stretch of [0, total) it falls into. Integers only.
  explicit HashRouting(const RoutingProblem& problem);

  /// The id of every token, the same at all layers.
  const std::vector<std::uint32_t>& token_ids() const { return token_ids_; }

  /// The table given, or null, and the distance between its layers (zero: the same at all).
  const std::uint16_t* table() const {
    return problem_.hash.table.empty() ? nullptr : problem_.hash.table.data();
  }
  long long layer_stride() const;

  /// Writes the top_k experts of one token.
  void choose(int layer, int token, std::uint16_t* chosen) const {
    hash_entry(table(), layer_stride(), problem_.seed, layer, token_ids_[token], problem_.experts,
               problem_.gate.top_k, chosen);
  }

 private:
  const RoutingProblem& problem_;
  std::vector<std::uint32_t> token_ids_;
};

}  // namespace tollgate::kernels
