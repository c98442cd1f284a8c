#pragma once
/// Expert choice: every expert takes its best tokens, instead of the other way round.

#include <cstdint>
#include <vector>

#include "kernels/problem.h"

namespace tollgate::kernels {

/// What experts took. Load is even by construction; how many experts a token gets is not.
struct ExpertChoice {
  int layers = 0;
  int experts = 0;
  int tokens = 0;    ///< per layer
  int capacity = 0;  ///< tokens that every expert takes

  /// [(layer * experts + expert) * capacity + i]: the expert's i-th best token.
  std::vector<std::int32_t> tokens_of_expert;
  /// [layer * tokens + token]: experts that took the token.
  std::vector<std::uint16_t> experts_of_token;

  std::int64_t unserved() const;  ///< tokens, over all layers, that no expert took
  int most_experts() const;       ///< largest number of experts of one token

  bool operator==(const ExpertChoice&) const = default;
};

/// Tokens per expert, ceil(factor * tokens / experts) and at most `tokens`: Zhou et al. 2022 (arXiv
/// 2202.09368, section 3.2) give n c / e and leave the rounding open. The factor counts to a
/// millionth. Throws std::invalid_argument unless it is positive and at most `experts`.
int expert_choice_capacity(int tokens, int experts, double factor);

/// Routes the problem's logits by expert choice: expert e takes the `capacity` tokens of a layer
/// with the largest score of e, softmax over the experts (as the paper) or the gate's other score,
/// in fixed point; equal scores by lower token id. The tokens of a layer are one batch; top_k is
/// ignored, and so are batch sizes and rank counts.
///
/// Throws std::invalid_argument for a bad problem, a gate with groups, a bias, a table or zero
/// experts, or more than 2^28 (token, expert) scores per layer.
///
/// Both give equal results; the first is serial and sorts everything, the second runs on oneTBB. A
/// token's scores wait for all tokens' logits, so that there is no device form: a simulation asks
/// for few layers of it.
ExpertChoice expert_choice_reference(const RoutingProblem& problem, double factor);
ExpertChoice expert_choice(const RoutingProblem& problem, double factor);

}  // namespace tollgate::kernels
