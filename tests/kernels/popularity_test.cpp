// Proves: popularity tables have the asked-for spread and structure, and routing over them is
// Plackett-Luce sampling: first choices are proportional to exp(logit).

#include "kernels/core/popularity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "kernels/registry.h"
#include "tests/kernels/problems.h"

namespace tollgate::kernels {
namespace {

RoutingProblem many_experts(const PopularitySpec& spec, int layers) {
  RoutingProblem problem = base_problem(gate_spec(ScoreFunction::softmax, 1), 1024);
  problem.popularity = spec;
  problem.layers = layers;
  return problem;
}

TEST(Popularity, UniformIsAllZero) {
  const Popularity popularity(many_experts({}, 2));
  for (const std::int32_t x : popularity.all_logits()) ASSERT_EQ(x, 0);
}

// Five standard errors over 64 x 1024 draws.
TEST(Popularity, SpreadIsTheSumOfItsParts) {
  PopularitySpec spec;
  spec.sigma_global = 0.3;
  spec.sigma_domain = 0.4;
  spec.sigma_topic = 1.2;
  const Popularity popularity(many_experts(spec, 64));
  double squares = 0;
  for (const std::int32_t x : popularity.all_logits()) {
    squares += std::pow(from_fixed(x, kLogitFraction), 2);
  }
  const auto count = static_cast<double>(popularity.all_logits().size());
  EXPECT_NEAR(squares / count, 1.69, 5 * 1.69 * std::sqrt(2 / count));
}

// Correlation of two contexts is the share of what they have in common; its standard error over
// 64 x 1024 pairs is below 1 / 256.
TEST(Popularity, DomainsShareTheGlobalPartAndTopicsTheDomain) {
  PopularitySpec spec;
  spec.sigma_global = spec.sigma_domain = spec.sigma_topic = 1;
  spec.domains = spec.topics = 2;
  const RoutingProblem problem = many_experts(spec, 64);
  const Popularity popularity(problem);
  const auto correlation = [&](int a, int b) {
    double products = 0;
    for (int layer = 0; layer < problem.layers; ++layer) {
      for (int e = 0; e < problem.experts; ++e) {
        products += from_fixed(popularity.logits(layer, a)[e], kLogitFraction) *
                    from_fixed(popularity.logits(layer, b)[e], kLogitFraction);
      }
    }
    return products / (3.0 * problem.layers * problem.experts);
  };
  EXPECT_NEAR(correlation(0, 1), 2.0 / 3, 5.0 / 256);
  EXPECT_NEAR(correlation(0, 2), 1.0 / 3, 5.0 / 256);
  EXPECT_NEAR(correlation(1, 2), 1.0 / 3, 5.0 / 256);
}

TEST(Popularity, SequencesKeepTheirContextAndStreamsKeepThePopularity) {
  RoutingProblem problem = many_experts({0.5, 0.5, 0.5, 4, 8, 25}, 2);
  problem.tokens = 20000;  // 800 sequences: a context stays empty with chance 3e-10
  const Popularity first(problem);
  std::set<int> seen;
  for (int t = 0; t < problem.tokens; ++t) {
    EXPECT_EQ(first.token_contexts()[t], first.token_contexts()[t / 25 * 25]);
    seen.insert(first.token_contexts()[t]);
  }
  EXPECT_EQ(seen.size(), 32u);
  problem.stream += 1;
  const Popularity second(problem);
  EXPECT_EQ(first.all_logits(), second.all_logits());
  EXPECT_NE(first.token_contexts(), second.token_contexts());
}

// Chi-square of 16384 first choices over 16 experts: 15 degrees of freedom, bound at 5 sigma of the
// chi-square distribution (15 + 5 * sqrt(30) = 42.4). Needs at least 5 expected per cell.
TEST(Popularity, FirstChoicesAreProportionalToWeights) {
  RoutingProblem problem = base_problem(gate_spec(ScoreFunction::softmax, 4), 16);
  problem.popularity.sigma_global = 1.0;
  problem.layers = 4;
  problem.tokens = 16384;
  const Popularity popularity(problem);
  const auto ids = find_backend("tbb").select(problem);
  for (int layer = 0; layer < problem.layers; ++layer) {
    std::vector<double> weights(problem.experts), counts(problem.experts);
    double sum = 0;
    for (int e = 0; e < problem.experts; ++e) {
      weights[e] = std::exp(from_fixed(popularity.logits(layer, 0)[e], kLogitFraction));
      sum += weights[e];
    }
    // Second choices too: P(second = e) = sum over f of w_f/W * w_e/(W - w_f).
    std::vector<double> second_counts(problem.experts);
    for (int t = 0; t < problem.tokens; ++t) {
      const auto row = (static_cast<std::size_t>(layer) * problem.tokens + t) * 4;
      counts[ids[row]] += 1;
      second_counts[ids[row + 1]] += 1;
    }
    double chi_square = 0, second_chi_square = 0;
    for (int e = 0; e < problem.experts; ++e) {
      const double expected = problem.tokens * weights[e] / sum;
      ASSERT_GE(expected, 5) << "the sample is too small for this test";
      chi_square += std::pow(counts[e] - expected, 2) / expected;
      double second = 0;
      for (int f = 0; f < problem.experts; ++f) {
        if (f != e) second += weights[f] / sum * weights[e] / (sum - weights[f]);
      }
      second *= problem.tokens;
      second_chi_square += std::pow(second_counts[e] - second, 2) / second;
    }
    EXPECT_LT(chi_square, 42.4) << "layer " << layer;
    EXPECT_LT(second_chi_square, 42.4) << "layer " << layer;
  }
}

}  // namespace
}  // namespace tollgate::kernels
