// Proves: capacities follow the three published rules, and what is dropped is what the matrix form
// of GShard and Tutel (one-hot masks, cumulative sums) drops, in token order and by priority.

#include "kernels/dispatch/capacity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "kernels/dispatch/token_logits.h"
#include "kernels/registry.h"
#include "tests/kernels/problems.h"

namespace tollgate::kernels {
namespace {

using testing::HasSubstr;

CapacitySpec rule(CapacityRule which, double factor, int alignment = 1) {
  CapacitySpec spec;
  spec.rule = which;
  spec.factor = factor;
  spec.alignment = alignment;
  return spec;
}

TEST(Capacity, SwitchAndGshardRoundUp) {
  using enum CapacityRule;
  EXPECT_EQ(expert_capacity(rule(switch_top1, 1.0), 64, 8, 1, 0), 8);
  EXPECT_EQ(expert_capacity(rule(switch_top1, 1.25), 64, 8, 1, 0), 10);
  EXPECT_EQ(expert_capacity(rule(switch_top1, 1.0), 65, 8, 1, 0), 9);
  EXPECT_EQ(expert_capacity(rule(switch_top1, 0.001), 1, 1024, 1, 0), 1);
  EXPECT_EQ(expert_capacity(rule(gshard, 1.0), 64, 8, 2, 0), 16);
  EXPECT_EQ(expert_capacity(rule(gshard, 1.1), 80, 8, 1, 0), 11);  // in double 1.1 * 10 > 11
  EXPECT_EQ(expert_capacity(rule(gshard, 1.0, 128), 64, 8, 2, 0), 128);
}

TEST(Capacity, TutelRoundsPerChoice) {
  using enum CapacityRule;
  EXPECT_EQ(expert_capacity(rule(tutel, 1.0), 65, 8, 2, 0), 18);   // 2 * int(9)
  EXPECT_EQ(expert_capacity(rule(tutel, 1.25), 65, 8, 2, 0), 22);  // 2 * int(11.25)
  EXPECT_EQ(expert_capacity(rule(tutel, 0), 65, 8, 2, 37), 37);
  EXPECT_EQ(expert_capacity(rule(tutel, -1.25), 65, 8, 2, 37), 22);
  EXPECT_EQ(expert_capacity(rule(tutel, -1.25), 65, 8, 2, 17), 17);
  EXPECT_EQ(expert_capacity(rule(tutel, 0, 8), 65, 8, 2, 37), 40);
}

TEST(Capacity, RefusesWhatDropsEverything) {
  using enum CapacityRule;
  const auto refused = [](const CapacitySpec& spec, int top_k, const char* says) {
    try {
      expert_capacity(spec, 4, 8, top_k, 3);
      ADD_FAILURE() << says;
    } catch (const std::invalid_argument& error) {
      EXPECT_THAT(error.what(), HasSubstr(says));
    }
  };
  refused(rule(switch_top1, 0), 1, "capacity of 0");
  refused(rule(gshard, 0), 2, "capacity of 0");
  refused(rule(gshard, -1), 2, "capacity of 0");
  refused(rule(tutel, 0.5), 2, "capacity of 0");  // int(.5 * ceil(4 / 8)) = 0
  refused(rule(gshard, std::nan("")), 2, "capacity factor is");
  refused(rule(gshard, 1, 0), 2, "alignment is 0");
  refused(rule(switch_top1, 1), 2, "top-1");
}

TEST(Capacity, FirstChoicesComeBeforeSecondChoices) {
  const std::vector<std::uint16_t> ids = {1, 0, 2, 0, 0, 1, 0, 2};  // 4 tokens, top 2
  const CapacityResult result =
      apply_capacity({ids, 1, 4, 2}, 3, rule(CapacityRule::gshard, 0.75));  // ceil(2) = 2
  // Expert 0: first choice of tokens 2 and 3; the second choices of tokens 0 and 1 are too late.
  EXPECT_EQ(result.ids, (std::vector<std::uint16_t>{1, kNoExpert, 2, kNoExpert, 0, 1, 0, 2}));
  EXPECT_EQ(result.drops, (std::vector<std::int64_t>{2, 0, 0}));
  EXPECT_EQ(result.unserved[0], 0);
  EXPECT_DOUBLE_EQ(result.dropped_share(), 2.0 / 8);
}

TEST(Capacity, PriorityDecidesAndTiesGoToTheLowerToken) {
  const std::vector<std::uint16_t> ids = {0, 0, 0, 0};
  CapacitySpec spec = rule(CapacityRule::switch_top1, 0.5);
  spec.order = DropOrder::score;
  const std::vector<std::int32_t> priorities = {1, 5, 3, 3};
  const CapacityResult result = apply_capacity({ids, 1, 4, 1}, 1, spec, priorities);
  EXPECT_EQ(result.ids, (std::vector<std::uint16_t>{kNoExpert, 0, 0, kNoExpert}));
  EXPECT_EQ(result.unserved[0], 2);
  EXPECT_DOUBLE_EQ(result.unserved_share(), 0.5);
}

TEST(Capacity, ZeroExpertsHaveNone) {
  const std::vector<std::uint16_t> ids = {0, 9, 0, 9, 9, 8};  // experts 0..7, zero experts 8 and 9
  const CapacityResult result = apply_capacity({ids, 1, 3, 2}, 8, rule(CapacityRule::gshard, 1.0));
  EXPECT_EQ(result.capacity[0], 1);
  EXPECT_EQ(result.ids, (std::vector<std::uint16_t>{0, 9, kNoExpert, 9, 9, 8}));
  EXPECT_EQ(result.assignments, 2);
  EXPECT_EQ(result.unserved[0], 1);
}

/// One layer by one-hot masks: position of a choice = cumulative sum of its slot's mask over the
/// tokens in serving order, plus all of the earlier slots' masks; kept if below capacity.
std::vector<std::uint16_t> by_masks(std::vector<std::uint16_t> ids, int tokens, int top_k,
                                    int experts, std::int64_t capacity,
                                    std::span<const std::int32_t> priorities) {
  std::vector<std::pair<std::int64_t, int>> order;
  for (int t = 0; t < tokens; ++t) order.emplace_back(priorities.empty() ? 0 : -priorities[t], t);
  std::sort(order.begin(), order.end());
  for (int e = 0; e < experts; ++e) {
    std::int64_t before = 0;
    for (int slot = 0; slot < top_k; ++slot) {
      std::int64_t position = before;
      for (const auto& [priority, token] : order) {
        std::uint16_t& id = ids[token * top_k + slot];
        if (id != e) continue;
        if (position++ >= capacity) id = kNoExpert;
      }
      before = position;
    }
  }
  return ids;
}

TEST(Capacity, DropsWhatTheMatrixFormDrops) {
  RoutingProblem problem = base_problem(gate_spec(ScoreFunction::softmax, 4), 32);
  problem.popularity.sigma_global = 1.5;
  const auto ids = find_backend("tbb").select(problem);
  const auto priorities = token_priorities(problem);
  const Selections selections{ids, problem.layers, problem.tokens, 4};
  for (const double factor : {0.3, 1.0, 1.25, 2.0}) {
    for (const DropOrder order : {DropOrder::token, DropOrder::score}) {
      CapacitySpec spec = rule(CapacityRule::gshard, factor);
      spec.order = order;
      const std::span<const std::int32_t> by =
          order == DropOrder::score ? priorities : std::span<const std::int32_t>();
      const CapacityResult result = apply_capacity(selections, 32, spec, by);
      const std::size_t per_layer = static_cast<std::size_t>(problem.tokens) * 4;
      std::int64_t dropped = 0;
      for (int layer = 0; layer < problem.layers; ++layer) {
        const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(layer * per_layer);
        const auto expected =
            by_masks({begin, begin + static_cast<std::ptrdiff_t>(per_layer)}, problem.tokens, 4, 32,
                     static_cast<std::int64_t>(std::ceil(factor * 4 * problem.tokens / 32 - 1e-9)),
                     by.empty() ? by : by.subspan(layer * problem.tokens, problem.tokens));
        const auto got = result.ids.begin() + static_cast<std::ptrdiff_t>(layer * per_layer);
        EXPECT_TRUE(std::equal(expected.begin(), expected.end(), got)) << factor;
        dropped += std::count(expected.begin(), expected.end(), kNoExpert);
      }
      EXPECT_GT(dropped, 0) << factor;
      EXPECT_EQ(std::accumulate(result.drops.begin(), result.drops.end(), std::int64_t{0}),
                dropped);
      for (const int threads : {1, 2, 3, 8}) {
        const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
        EXPECT_EQ(apply_capacity(selections, 32, spec, by), result);
        EXPECT_EQ(token_priorities(problem), priorities);
      }
    }
  }
}

TEST(Capacity, TheFullestLoadDropsNothing) {
  const RoutingProblem problem = base_problem(gate_spec(ScoreFunction::softmax, 4), 32);
  const auto ids = find_backend("tbb").select(problem);
  const CapacityResult result =
      apply_capacity({ids, problem.layers, problem.tokens, 4}, 32, rule(CapacityRule::tutel, 0));
  EXPECT_EQ(result.ids, ids);
  EXPECT_EQ(result.dropped_share(), 0.0);
}

TEST(Capacity, KeptChoicesDispatchLikeAnyOther) {
  RoutingProblem problem = base_problem(gate_spec(ScoreFunction::softmax, 2), 32);
  problem.popularity.sigma_global = 1.5;
  const auto ids = find_backend("tbb").select(problem);
  const CapacityResult kept =
      apply_capacity({ids, problem.layers, problem.tokens, 2}, 32, rule(CapacityRule::gshard, 1.0));
  const Placement placement = contiguous_placement(32, 32, {8, 8});
  StudyOptions options;
  options.batch_size = problem.tokens;
  const DispatchStats step =
      study_dispatch({kept.ids, problem.layers, problem.tokens, 2}, {&placement, 1}, options);
  EXPECT_NEAR(static_cast<double>(step.rows.sum()),
              static_cast<double>(kept.assignments) * (1 - kept.dropped_share()), 1e-6);
  for (const std::int64_t busiest : step.busiest_rows.samples) {
    EXPECT_LE(busiest, 4 * kept.capacity[0]);
  }
}

}  // namespace
}  // namespace tollgate::kernels
