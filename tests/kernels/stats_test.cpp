// Proves: window statistics on an example small enough to count by hand, and the accessors.

#include "kernels/stats.h"

#include <gtest/gtest.h>

#include "kernels/core/shape.h"
#include "kernels/core/window_stats.h"
#include "kernels/tbb/window_counter.h"
#include "tests/kernels/problems.h"

namespace tollgate::kernels {
namespace {

RoutingProblem six_experts() {
  RoutingProblem problem = base_problem(gate_spec(ScoreFunction::softmax, 2), 6);
  problem.rank_counts = {1, 3, 4};
  return problem;
}

// Three tokens choose (0,1) (0,5) (0,4): loads 3 1 0 0 1 1.
const std::vector<std::uint16_t> kIds = {0, 1, 0, 5, 0, 4};

TEST(WindowCounter, CountsByHand) {
  WindowCounter counter(six_experts());
  for (int repeat = 0; repeat < 2; ++repeat) {  // counters must be clean again
    WindowRecord window;
    RankRecord ranks[3];
    counter.count(kIds.data(), 6, window, ranks);
    EXPECT_EQ(window.hottest_expert, 3);
    EXPECT_EQ(window.distinct_experts, 4);
    EXPECT_EQ(ranks[0].busiest_load, 6);
    EXPECT_EQ(ranks[0].padded_rows_64, 4 * 64);
    EXPECT_EQ(ranks[0].padded_rows_128, 4 * 128);
    EXPECT_EQ(ranks[1].busiest_load, 4);  // rank 0 holds experts 0 and 1
    EXPECT_EQ(ranks[1].busiest_distinct, 2);
    EXPECT_EQ(ranks[1].max_distinct, 2);
    EXPECT_EQ(ranks[1].padded_rows_64, 2 * 64);
    EXPECT_EQ(ranks[2].busiest_load, 4);  // blocks of two again, rank 3 is empty
  }
}

TEST(WindowCounter, BusiestRankOfEqualsIsTheLowest) {
  WindowCounter counter(six_experts());
  const std::vector<std::uint16_t> ids = {4, 4, 0, 1};  // ranks of two: 2 0 2, distinct 2 0 1
  WindowRecord window;
  RankRecord ranks[3];
  counter.count(ids.data(), 4, window, ranks);
  EXPECT_EQ(ranks[1].busiest_load, 2);
  EXPECT_EQ(ranks[1].busiest_distinct, 2);
}

TEST(WindowCounter, CountsDestinations) {
  WindowCounter counter(six_experts());
  std::int64_t sums[3] = {0, 0, 0};
  counter.count_destinations(kIds.data(), 3, sums);
  EXPECT_EQ(sums[0], 3);
  EXPECT_EQ(sums[1], 1 + 2 + 2);
  EXPECT_EQ(sums[2], 1 + 2 + 2);
}

TEST(Stats, PercentilesAreNearestRank) {
  RankStats stats;
  stats.busiest_load = {40, 10, 30, 20};
  EXPECT_EQ(stats.busiest_load_percentile(25), 10);
  EXPECT_EQ(stats.busiest_load_percentile(50), 20);
  EXPECT_EQ(stats.busiest_load_percentile(50.1), 30);
  EXPECT_EQ(stats.busiest_load_percentile(100), 40);
  EXPECT_THROW(stats.busiest_load_percentile(0), std::invalid_argument);
  EXPECT_THROW(stats.busiest_load_percentile(101), std::invalid_argument);
  EXPECT_EQ(RankStats{}.busiest_load_percentile(50), 0);
}

TEST(Stats, AccessorsFindWhatWasAskedFor) {
  const RoutingProblem problem = base_problem(gate_spec(ScoreFunction::softmax, 2), 64);
  const RoutingStats stats = empty_stats(problem);
  EXPECT_EQ(stats.batch(64).batch_size, 64);
  EXPECT_EQ(stats.ranks(64, 8).ranks, 8);
  EXPECT_DOUBLE_EQ(stats.ranks(64, 8).mean_rank_load, 16);
  EXPECT_THROW(stats.batch(65), std::out_of_range);
  EXPECT_THROW(stats.ranks(64, 5), std::out_of_range);
  EXPECT_THROW(stats.traffic_to(5), std::out_of_range);
}

TEST(Stats, OneRankIsAlwaysBalanced) {
  RankStats stats;
  stats.samples = 2;
  stats.mean_rank_load = 8;
  stats.busiest_load_sum = 16;
  EXPECT_DOUBLE_EQ(stats.mean_imbalance(), 1);
}

}  // namespace
}  // namespace tollgate::kernels
