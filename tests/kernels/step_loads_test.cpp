// Step loads against the full dispatch, which sorts the rows, and given popularity against its
// probabilities.

#include "kernels/dispatch/step_loads.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "kernels/generator/load_models.h"
#include "kernels/registry.h"

namespace tollgate::kernels {
namespace {

struct Window {
  RoutingProblem problem;
  std::vector<std::uint16_t> ids;

  Window() {
    problem.experts = 64;
    problem.gate.top_k = 6;
    problem.popularity.sigma_global = 1;
    problem.layers = 3;
    problem.tokens = 1024;
    problem.seed = 7;
    ids = find_backend("tbb").select(problem);
  }
  Selections selections() const { return {ids, problem.layers, problem.tokens, 6}; }
  std::vector<Placement> planned() const {
    return eplb_placements(count_experts(selections(), 64), 3, {80, 1, {16, 8}});
  }
};

TEST(StepLoads, AgreeWithTheFullDispatch) {
  const Window window;
  for (const bool replicated : {false, true}) {
    const auto placements =
        replicated ? window.planned() : std::vector{contiguous_placement(64, 64, RankGrid{16, 8})};
    for (const int size : {1, 48, 256, 1024}) {
      StudyOptions study;
      study.batch_size = size;
      study.tile = 64;
      const DispatchStats slow = study_dispatch(window.selections(), placements, study);
      StepLoadOptions options;
      options.batch_size = size;
      options.copies = true;
      options.tiles = {16, 64, 128};
      const StepLoads fast = count_step_loads(window.selections(), placements, options);
      EXPECT_EQ(fast.rows, slow.rows);
      EXPECT_EQ(fast.busiest_rows, slow.busiest_rows);
      for (std::size_t i = 0; i < options.tiles.size(); ++i) {
        study.tile = options.tiles[i];
        EXPECT_EQ(fast.padded_rows[i],
                  study_dispatch(window.selections(), placements, study).padded_rows);
      }
      EXPECT_EQ(fast.most_slots, slow.active_slots);
      EXPECT_EQ(fast.busiest_rank_copies, slow.received);
      EXPECT_EQ(fast.rank_copies.sum(), slow.spread.destination_ranks);
      EXPECT_EQ(fast.node_copies.sum(), slow.spread.destination_nodes);
      EXPECT_EQ(fast.imbalance(), slow.mean_imbalance());
    }
  }
}

TEST(StepLoads, ReplicasAreWeightsToReadButNotMoreExperts) {
  const Window window;
  StepLoadOptions options;
  options.batch_size = 1024;
  const StepLoads loads = count_step_loads(window.selections(), window.planned(), options);
  for (int layer = 0; layer < 3; ++layer) {
    EXPECT_EQ(loads.active_experts.samples[layer], 64);
    EXPECT_EQ(loads.active_slots.samples[layer], 80);
  }
  const auto counts = count_experts(window.selections(), 64);
  for (int layer = 0; layer < 3; ++layer) {
    EXPECT_EQ(loads.hottest_expert.samples[layer],
              *std::max_element(counts.begin() + layer * 64, counts.begin() + layer * 64 + 64));
  }
}

TEST(StepLoads, SummedWindowsAreCountedOnes) {
  const Window window;
  const std::vector<int> sizes{16, 32, 64, 128, 256, 512, 1024};
  for (const bool replicated : {false, true}) {
    const auto placements =
        replicated ? window.planned() : std::vector{contiguous_placement(64, 64, RankGrid{16, 8})};
    StepLoadOptions options;
    options.copies = true;
    const auto all = count_step_loads(window.selections(), placements, sizes, options);
    ASSERT_EQ(all.size(), sizes.size());
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      options.batch_size = sizes[i];
      const StepLoads one = count_step_loads(window.selections(), placements, options);
      EXPECT_EQ(all[i].busiest_rows, one.busiest_rows) << sizes[i];
      EXPECT_EQ(all[i].padded_rows, one.padded_rows) << sizes[i];
      EXPECT_EQ(all[i].hottest_expert, one.hottest_expert) << sizes[i];
      EXPECT_EQ(all[i].busiest_rank_copies, one.busiest_rank_copies) << sizes[i];
      EXPECT_EQ(all[i].node_copies, one.node_copies) << sizes[i];
    }
  }
}

TEST(StepLoads, AStepWaitsForItsLayersTogether) {
  StepLoads loads;
  loads.ranks = 4;
  loads.layers = 2;
  loads.steps = 2;
  loads.rows.samples = {40, 40, 40, 40};
  loads.busiest_rows.samples = {20, 10, 30, 10};  // layer 0: 2.0, 1.0; layer 1: 3.0, 1.0
  EXPECT_EQ(loads.step_imbalance(), (std::vector<double>{2.5, 1.0}));
}

TEST(StepLoads, PercentilesAreNearestRank) {
  EXPECT_EQ(percentile_of({3, 1, 2, 4}, 50), 2);
  EXPECT_EQ(percentile_of({3, 1, 2, 4}, 51), 3);
  EXPECT_EQ(percentile_of({3, 1, 2, 4}, 100), 4);
  EXPECT_EQ(percentile_of({}, 95), 0);
  EXPECT_THROW(percentile_of({1}, 0), std::invalid_argument);
}

TEST(StepLoads, MistakesAreSentences) {
  const Window window;
  const Placement placement = contiguous_placement(64, 64, {8, 8});
  StepLoadOptions options;
  options.batch_size = 2048;
  EXPECT_THROW(count_step_loads(window.selections(), {&placement, 1}, options),
               std::invalid_argument);
  const std::vector<int> sizes{16, 48};
  options.batch_size = 16;
  EXPECT_THROW(count_step_loads(window.selections(), {&placement, 1}, sizes, options),
               std::invalid_argument);
}

TEST(LogPopularity, GatesDrawByIt) {
  // Top 1 with weights 1, 2, ... 8 and a zero: expert e has probability weight / 36.
  std::vector<std::uint32_t> weights(9);
  std::iota(weights.begin(), weights.end(), 0u);
  RoutingProblem problem;
  problem.experts = 9;
  problem.tokens = 1 << 17;
  problem.log_popularity = log_popularity(weights, 9);
  for (const char* name : {"tbb", "reference"}) {
    const auto ids = find_backend(name).select(problem);
    std::vector<int> count(9);
    for (const auto id : ids) ++count[id];
    EXPECT_EQ(count[0], 0);
    for (int e = 1; e < 9; ++e) {
      const double p = e / 36.0, n = problem.tokens;
      EXPECT_NEAR(count[e], n * p, 5 * std::sqrt(n * p * (1 - p))) << name << ", expert " << e;
    }
  }
}

TEST(LogPopularity, RefusesNonsense) {
  EXPECT_THROW(log_popularity(std::vector<std::uint32_t>{0, 0}, 2), std::invalid_argument);
  EXPECT_THROW(log_popularity(std::vector<std::uint32_t>{1, 2, 3}, 2), std::invalid_argument);
  RoutingProblem problem;
  problem.experts = 4;
  problem.tokens = 16;
  problem.log_popularity.assign(3, 0);
  EXPECT_THROW(validate(problem), std::invalid_argument);
  problem.log_popularity.assign(4, 1 << 30);
  EXPECT_THROW(validate(problem), std::invalid_argument);
}

}  // namespace
}  // namespace tollgate::kernels
