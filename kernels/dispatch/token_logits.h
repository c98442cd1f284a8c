#pragma once
/// The logits that the engine's gates see, for rules that compare tokens with each other.

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/fixed_softmax.h"
#include "kernels/core/popularity.h"
#include "kernels/problem.h"

namespace tollgate::kernels {

class TokenLogits {
 public:
  /// Keeps a reference. Throws as `validate`.
  explicit TokenLogits(const RoutingProblem& problem);

  /// Fills `logits` (`problem.choices()` of them, 20 fraction bits) of one token.
  void fill(int layer, int token, std::span<std::int32_t> logits) const;

 private:
  const RoutingProblem& problem_;
  Popularity popularity_;
};

/// Scores of all logits of one token that can be compared from token to token: softmax
/// probabilities with 30 fraction bits, or the score of each with 25. In place.
void scores_of(ScoreFunction function, std::span<std::int32_t> logits);

/// The score of every token's best expert, [layer * tokens + token]: the priority of
/// batch-prioritised routing (Riquelme et al. 2021, arXiv 2106.05974, section 4.1). Parallel; the
/// result does not depend on the number of threads.
std::vector<std::int32_t> token_priorities(const RoutingProblem& problem);

}  // namespace tollgate::kernels
