// Proves: uniform routing has the expectations that theory gives, within five standard errors, and
// skew behaves as in real traces: it falls with the batch size to a floor.

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/registry.h"
#include "tests/kernels/problems.h"

namespace tollgate::kernels {
namespace {

RoutingProblem uniform_problem(int experts, int top_k) {
  RoutingProblem problem = base_problem(gate_spec(ScoreFunction::softmax, top_k), experts);
  problem.popularity = {};
  problem.layers = 4;
  problem.tokens = 16384;
  problem.batch_sizes = {1, 8, 32, 128};
  problem.rank_counts = {2, 4, 8, 16, 32};
  return problem;
}

/// C(n - m, k) / C(n, k): the chance that k draws without replacement miss m given ones of n.
double miss_chance(int n, int m, int k) {
  double p = 1;
  for (int i = 0; i < k; ++i) p *= static_cast<double>(n - m - i) / (n - i);
  return p;
}

// Mean G * (1 - C(E - E/G, k) / C(E, k)) (DeepEP, get_theoretical_num_sms); the standard deviation
// per token is that of a sum of G indicators, two of which are missed together with C(E - 2E/G, k).
TEST(Expectations, DistinctDestinationRanks) {
  for (const auto& [experts, k] : {std::pair{256, 8}, {384, 6}, {896, 16}}) {
    const RoutingProblem problem = uniform_problem(experts, k);
    const RoutingStats stats = find_backend("tbb").route(problem);
    for (const int ranks : problem.rank_counts) {
      const double miss = miss_chance(experts, experts / ranks, k);
      const double both = miss_chance(experts, 2 * experts / ranks, k);
      const double variance =
          ranks * miss * (1 - miss) + ranks * (ranks - 1) * (both - miss * miss);
      const TrafficStats& traffic = stats.traffic_to(ranks);
      ASSERT_GE(traffic.tokens, 10000);
      EXPECT_NEAR(traffic.mean_destination_ranks(), ranks * (1 - miss),
                  5 * std::sqrt(variance / static_cast<double>(traffic.tokens)))
          << experts << " experts, " << ranks << " ranks";
    }
  }
}

// Mean E * (1 - (1 - k/E)^T). Experts repel each other, so the variance is below that of
// independent indicators, which is used.
TEST(Expectations, DistinctExpertsInABatch) {
  for (const auto& [experts, k] : {std::pair{64, 6}, {256, 8}, {896, 16}}) {
    RoutingProblem problem = uniform_problem(experts, k);
    const RoutingStats stats = find_backend("tbb").route(problem);
    for (const int size : problem.batch_sizes) {
      const BatchStats& batch = stats.batch(size);
      ASSERT_GE(batch.samples, 500);
      const double miss = std::pow(1 - static_cast<double>(k) / experts, size);
      const double tolerance =
          5 * std::sqrt(experts * miss * (1 - miss) / static_cast<double>(batch.samples));
      EXPECT_NEAR(batch.mean_distinct_experts(), experts * (1 - miss), size == 1 ? 1e-9 : tolerance)
          << experts << " experts, batch " << size;
    }
  }
}

// Chi-square of expert loads under uniform routing; draws without replacement repel, so the
// statistic is below chi-square with E - 1 degrees of freedom. Bound: five sigma above.
TEST(Expectations, UniformExpertLoads) {
  const RoutingProblem problem = uniform_problem(256, 8);
  const RoutingStats stats = find_backend("tbb").route(problem);
  const double expected = problem.tokens * 8 / 256.0;
  ASSERT_GE(expected, 100);
  for (int layer = 0; layer < problem.layers; ++layer) {
    double chi_square = 0;
    std::int64_t total = 0;
    for (int e = 0; e < 256; ++e) {
      const std::int64_t n = stats.expert_tokens[layer * 256 + e];
      total += n;
      chi_square += std::pow(static_cast<double>(n) - expected, 2) / expected;
    }
    EXPECT_EQ(total, problem.tokens * 8);
    EXPECT_LT(chi_square, 255 + 5 * std::sqrt(510.0));
  }
}

// Group-limited gates send a token to at most groups_kept nodes.
TEST(Expectations, GroupLimitBoundsDestinations) {
  RoutingProblem problem = uniform_problem(256, 8);
  problem.gate = grouped_gate(ScoreFunction::sigmoid, 8, 8, 4, GroupReduce::top2_sum);
  const auto ids = find_backend("tbb").select(problem);
  for (std::size_t row = 0; row < ids.size(); row += 8) {
    unsigned groups = 0;
    for (int i = 0; i < 8; ++i) groups |= 1u << (ids[row + i] / 32);
    ASSERT_LE(__builtin_popcount(groups), 4);
  }
}

TEST(Expectations, SkewFallsWithBatchSizeToAFloor) {
  RoutingProblem problem = uniform_problem(64, 6);
  problem.popularity.sigma_global = 0.5;
  problem.batch_sizes = {8, 32, 128, 1024, 4096};
  const RoutingStats stats = find_backend("tbb").route(problem);
  for (std::size_t i = 1; i < stats.batches.size(); ++i) {
    EXPECT_LT(stats.batches[i].mean_expert_imbalance(),
              stats.batches[i - 1].mean_expert_imbalance());
  }
  const double floor = stats.batch(4096).mean_expert_imbalance();
  EXPECT_NEAR(stats.batch(1024).mean_expert_imbalance(), floor, 0.05 * floor);
  EXPECT_GT(floor, 1.5);
}

}  // namespace
}  // namespace tollgate::kernels
