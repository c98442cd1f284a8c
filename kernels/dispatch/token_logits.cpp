#include "kernels/dispatch/token_logits.h"

#include <tbb/parallel_for.h>

#include <algorithm>

#include "kernels/core/noise.h"
#include "kernels/core/noise_words.h"
#include "kernels/core/score.h"

namespace tollgate::kernels {
namespace {

const RoutingProblem& validated(const RoutingProblem& problem) {
  validate(problem);
  return problem;
}

}  // namespace

TokenLogits::TokenLogits(const RoutingProblem& problem)
    : problem_(problem), popularity_(validated(problem)) {}

void TokenLogits::fill(int layer, int token, std::span<std::int32_t> logits) const {
  const std::int32_t* offsets = popularity_.logits(layer, popularity_.token_contexts()[token]);
  const int choices = problem_.choices();
  for (int first = 0; first < choices; first += 4) {
    const Words4 words = noise_words(problem_.seed, problem_.stream, layer, token, first / 4);
    for (int e = first; e < std::min(first + 4, choices); ++e) {
      logits[e] = offsets[e] + gumbel(gumbel_tables(), words.w[e - first]);
    }
  }
}

void scores_of(ScoreFunction function, std::span<std::int32_t> logits) {
  const ScoreTables& tables = score_tables();
  if (function != ScoreFunction::softmax) {
    for (std::int32_t& x : logits) x = score_of(tables, function, x);
    return;
  }
  const std::int32_t largest = *std::max_element(logits.begin(), logits.end());
  std::uint64_t sum = 0;
  for (const std::int32_t x : logits) {
    sum += fixed_exp(tables, static_cast<std::int64_t>(x) - largest);
  }
  const TokenScale scale = make_token_scale(largest, sum);
  for (std::int32_t& x : logits) x = probability(tables, scale, x);
}

std::vector<std::int32_t> token_priorities(const RoutingProblem& problem) {
  const TokenLogits source(problem);
  const std::size_t rows = static_cast<std::size_t>(problem.layers) * problem.tokens;
  std::vector<std::int32_t> priorities(rows);
  tbb::parallel_for(std::size_t{0}, rows, [&](std::size_t row) {
    std::int32_t storage[kMaxExperts];
    const std::span<std::int32_t> scores(storage, problem.choices());
    source.fill(static_cast<int>(row / problem.tokens), static_cast<int>(row % problem.tokens),
                scores);
    scores_of(problem.gate.score, scores);
    priorities[row] = *std::max_element(scores.begin(), scores.end());
  });
  return priorities;
}

}  // namespace tollgate::kernels
