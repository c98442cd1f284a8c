// Proves: zero experts take part in the choice and in no statistic, and shared experts follow every
// token without changing any.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "kernels/dispatch/study.h"
#include "kernels/registry.h"
#include "tests/kernels/problems.h"

namespace tollgate::kernels {
namespace {

RoutingProblem longcat() {
  RoutingProblem problem = base_problem(gate_spec(ScoreFunction::softmax, 12), 512);
  problem.gate.zero_experts = 256;
  return problem;
}

TEST(ZeroExperts, StatisticsCountTheChoicesWithWeightsOnly) {
  const RoutingProblem problem = longcat();
  const auto ids = find_backend("reference").select(problem);
  const RoutingStats stats = find_backend("tbb").route(problem);
  std::vector<std::int64_t> expected(static_cast<std::size_t>(problem.layers) * 512);
  std::int64_t destinations = 0;
  for (std::size_t row = 0; row < ids.size() / 12; ++row) {
    std::set<int> ranks;
    for (int i = 0; i < 12; ++i) {
      const int id = ids[row * 12 + i];
      ASSERT_LT(id, 768);
      if (id >= 512) continue;
      ++expected[row / problem.tokens * 512 + id];
      ranks.insert(id / 64);
    }
    destinations += static_cast<std::int64_t>(ranks.size());
  }
  EXPECT_EQ(stats.expert_tokens, expected);
  EXPECT_EQ(stats.traffic_to(8).destination_ranks_sum, destinations);
  std::int64_t real = 0;
  for (const std::int64_t n : expected) real += n;
  const BatchStats& whole = stats.batch(700);
  EXPECT_EQ(whole.assignments_sum, real);
  EXPECT_DOUBLE_EQ(stats.ranks(700, 8).mean_rank_load, static_cast<double>(real) / 3 / 8);
  EXPECT_DOUBLE_EQ(stats.mean_real_choices(), static_cast<double>(real) / (3 * 700));
}

// With equal popularity the number of real choices is hypergeometric: mean 12 * 512 / 768 = 8,
// variance 12 * 2/3 * 1/3 * (768 - 12) / 767. Five sigma over 60000 token-layers.
TEST(ZeroExperts, TakeTheirShareUnderUniformRouting) {
  RoutingProblem problem = longcat();
  problem.popularity = {};
  problem.tokens = 20000;
  problem.batch_sizes = {};
  const double tokens = 3.0 * problem.tokens;
  const double variance = 12.0 * 2 / 9 * 756 / 767;
  EXPECT_NEAR(find_backend("tbb").route(problem).mean_real_choices(), 8.0,
              5 * std::sqrt(variance / tokens));
}

TEST(ZeroExperts, TheDispatchStudyAgrees) {
  const RoutingProblem problem = longcat();
  const RoutingBackend& backend = find_backend("tbb");
  const auto ids = backend.select(problem);
  const Placement placement = contiguous_placement(512, 512, {8, 8});
  StudyOptions options;
  options.batch_size = 64;
  options.tile = 64;
  options.zero_experts = 256;
  const Selections selections{ids, problem.layers, problem.tokens, 12};
  const DispatchStats step = study_dispatch(selections, {&placement, 1}, options);
  const RoutingStats stats = backend.route(problem);
  EXPECT_EQ(step.rows.sum(), stats.batch(64).assignments_sum);
  EXPECT_EQ(step.busiest_rows.sum(), stats.ranks(64, 8).busiest_load_sum);
  EXPECT_DOUBLE_EQ(step.mean_imbalance(), stats.ranks(64, 8).mean_imbalance());
}

TEST(ZeroExperts, NothingButZeroExpertsIsNoNan) {
  RoutingProblem problem = base_problem(gate_spec(ScoreFunction::softmax, 1), 1);
  problem.gate.zero_experts = 1023;
  problem.popularity = {};
  problem.tokens = 2;
  problem.layers = 1;
  problem.batch_sizes = {1, 2};
  problem.rank_counts = {1};
  for (const char* backend : {"reference", "tbb"}) {
    const RoutingStats stats = find_backend(backend).route(problem);
    ASSERT_EQ(stats.expert_tokens[0], 0) << "the seed was meant to miss the one expert";
    EXPECT_EQ(stats.ranks(1, 1).mean_imbalance(), 1.0);
    EXPECT_EQ(stats.batch(2).mean_expert_imbalance(), 1.0);
    EXPECT_EQ(stats.traffic_to(1).mean_destination_ranks(), 0.0);
  }
}

TEST(SharedSlots, FollowTheChoicesAndLeaveStatisticsAlone) {
  RoutingProblem problem = longcat();
  const RoutingBackend& backend = find_backend("tbb");
  const auto bare = backend.select(problem);
  const RoutingStats stats = backend.route(problem);
  problem.gate.shared_slots = 2;
  const auto with = backend.select(problem);
  ASSERT_EQ(with.size(), bare.size() / 12 * 14);
  for (std::size_t row = 0; row < bare.size() / 12; ++row) {
    ASSERT_TRUE(std::equal(&bare[row * 12], &bare[row * 12] + 12, &with[row * 14]));
    ASSERT_EQ(with[row * 14 + 12], 768);
    ASSERT_EQ(with[row * 14 + 13], 769);
  }
  EXPECT_EQ(backend.route(problem), stats);
}

}  // namespace
}  // namespace tollgate::kernels
