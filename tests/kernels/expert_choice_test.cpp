// Proves: experts take the tokens with the largest softmax score in double precision, ties go to
// the lower token, and the parallel form equals the plain one for any number of threads.

#include "kernels/dispatch/expert_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "kernels/dispatch/token_logits.h"
#include "tests/kernels/problems.h"

namespace tollgate::kernels {
namespace {

std::vector<RoutingProblem> problems() {
  std::vector<RoutingProblem> all;
  all.push_back(base_problem(gate_spec(ScoreFunction::softmax, 2), 64));
  all.push_back(base_problem(gate_spec(ScoreFunction::sigmoid, 1), 67));
  all.push_back(base_problem(gate_spec(ScoreFunction::softmax, 1), 1));
  RoutingProblem saturated = base_problem(gate_spec(ScoreFunction::sigmoid, 2), 16);
  saturated.popularity.sigma_global = 16;  // scores of exactly 0 and 1 tie
  all.push_back(saturated);
  return all;
}

TEST(ExpertChoice, CapacityIsTheEvenShareTimesTheFactor) {
  EXPECT_EQ(expert_choice_capacity(512, 64, 2), 16);
  EXPECT_EQ(expert_choice_capacity(700, 64, 1), 11);
  EXPECT_EQ(expert_choice_capacity(80, 8, 1.1), 11);
  EXPECT_EQ(expert_choice_capacity(3, 64, 1), 1);
  EXPECT_EQ(expert_choice_capacity(7, 4, 4), 7);
}

TEST(ExpertChoice, ParallelEqualsPlain) {
  for (const RoutingProblem& problem : problems()) {
    for (const double factor : {0.5, 1.0, 1.0 * problem.experts}) {
      const ExpertChoice plain = expert_choice_reference(problem, factor);
      for (const int threads : {1, 2, 3, 8}) {
        const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
        EXPECT_EQ(expert_choice(problem, factor), plain);
      }
    }
  }
}

TEST(ExpertChoice, TakesTheLargestScoresInDouble) {
  const RoutingProblem problem = problems()[0];
  const ExpertChoice choice = expert_choice(problem, 2);
  const TokenLogits source(problem);
  std::vector<std::int32_t> logits(problem.experts);
  for (int layer = 0; layer < problem.layers; ++layer) {
    std::vector<std::vector<double>> score(problem.tokens, std::vector<double>(problem.experts));
    for (int t = 0; t < problem.tokens; ++t) {
      source.fill(layer, t, logits);
      double sum = 0;
      for (int e = 0; e < problem.experts; ++e) {
        score[t][e] = std::exp(from_fixed(logits[e], kLogitFraction));
        sum += score[t][e];
      }
      for (double& p : score[t]) p /= sum;
    }
    for (int e = 0; e < problem.experts; ++e) {
      const std::int32_t* taken =
          choice.tokens_of_expert.data() + (layer * problem.experts + e) * choice.capacity;
      const std::set<int> set(taken, taken + choice.capacity);
      ASSERT_EQ(set.size(), static_cast<std::size_t>(choice.capacity));
      for (int i = 0; i + 1 < choice.capacity; ++i) {
        EXPECT_GE(score[taken[i]][e] * (1 + 2e-5) + 1e-8, score[taken[i + 1]][e]);
      }
      const double least = score[taken[choice.capacity - 1]][e];
      for (int t = 0; t < problem.tokens; ++t) {
        if (set.contains(t)) continue;
        EXPECT_LE(score[t][e], least * (1 + 2e-5) + 1e-8);
      }
    }
  }
}

TEST(ExpertChoice, TiesGoToTheLowerToken) {
  const RoutingProblem problem = problems()[3];
  const ExpertChoice choice = expert_choice(problem, 3);
  const TokenLogits source(problem);
  std::vector<std::int32_t> scores(problem.experts);
  int ties = 0;
  std::vector<std::vector<std::int32_t>> of_token;
  for (int t = 0; t < problem.tokens; ++t) {
    source.fill(0, t, scores);
    scores_of(problem.gate.score, scores);
    of_token.push_back(scores);
  }
  for (int e = 0; e < problem.experts; ++e) {
    const std::int32_t* taken = choice.tokens_of_expert.data() + e * choice.capacity;
    for (int i = 0; i + 1 < choice.capacity; ++i) {
      if (of_token[taken[i]][e] != of_token[taken[i + 1]][e]) continue;
      ++ties;
      EXPECT_LT(taken[i], taken[i + 1]);
    }
  }
  EXPECT_GT(ties, 100);
}

TEST(ExpertChoice, CountsExpertsOfTokens) {
  const RoutingProblem problem = problems()[0];
  const ExpertChoice choice = expert_choice(problem, 1);
  std::int64_t sum = 0;
  for (const int n : choice.experts_of_token) sum += n;
  EXPECT_EQ(sum, static_cast<std::int64_t>(problem.layers) * 64 * choice.capacity);
  EXPECT_GT(choice.unserved(), 0);
  EXPECT_GT(choice.most_experts(), 1);
  const ExpertChoice all = expert_choice(problem, 64);
  EXPECT_EQ(all.unserved(), 0);
  EXPECT_EQ(all.most_experts(), 64);
}

TEST(ExpertChoice, RefusesWhatItCannotRank) {
  RoutingProblem problem = problems()[0];
  EXPECT_THROW(expert_choice(problem, 0), std::invalid_argument);
  EXPECT_THROW(expert_choice(problem, std::nan("")), std::invalid_argument);
  EXPECT_THROW(expert_choice(problem, 65), std::invalid_argument);
  problem.gate.zero_experts = 1;
  EXPECT_THROW(expert_choice(problem, 1), std::invalid_argument);
  problem = problems()[0];
  problem.tokens = 1 << 24;
  EXPECT_THROW(expert_choice(problem, 1), std::invalid_argument);
}

}  // namespace
}  // namespace tollgate::kernels
