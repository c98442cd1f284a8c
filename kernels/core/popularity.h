#pragma once
/// Expert popularity as tables.

#include <cstdint>
#include <vector>

#include "kernels/problem.h"

namespace tollgate::kernels {

/// The part of a token's logits that is not its own noise. A context is a (domain, topic) pair,
/// domain * topics + topic.
class Popularity {
 public:
  explicit Popularity(const RoutingProblem& problem);

  int contexts() const { return contexts_; }

  /// `problem.choices()` logits.
  const std::int32_t* logits(int layer, int context) const {
    return offsets_.data() + (static_cast<std::size_t>(layer) * contexts_ + context) * experts_;
  }

  /// All of them: [layer][context][expert].
  const std::vector<std::int32_t>& all_logits() const { return offsets_; }

  /// The context of every token, the same at all layers.
  const std::vector<std::uint16_t>& token_contexts() const { return token_contexts_; }

 private:
  int experts_;
  int contexts_;
  std::vector<std::int32_t> offsets_;
  std::vector<std::uint16_t> token_contexts_;
};

}  // namespace tollgate::kernels
