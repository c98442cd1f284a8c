// Proves: the code that the lanes of a GPU warp run chooses what the reference chooses, by running
// it unchanged on 32 host threads that exchange keys through a barrier instead of a shuffle.

#include "kernels/cuda/lane_gate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <numeric>
#include <thread>

#include "kernels/core/popularity.h"
#include "kernels/core/shape.h"
#include "kernels/registry.h"
#include "tests/kernels/problems.h"

namespace tollgate::kernels {
namespace {

class HostWarp {
 public:
  std::int64_t largest(int lane, std::int64_t key) {
    keys_[lane] = key;
    barrier_.arrive_and_wait();
    const std::int64_t all = *std::max_element(keys_.begin(), keys_.end());
    barrier_.arrive_and_wait();
    return all;
  }

  std::uint64_t sum(int lane, std::uint64_t value) {
    values_[lane] = value;
    barrier_.arrive_and_wait();
    const std::uint64_t all = std::accumulate(values_.begin(), values_.end(), std::uint64_t{0});
    barrier_.arrive_and_wait();
    return all;
  }

 private:
  std::array<std::uint64_t, kLanes> values_{};
  std::array<std::int64_t, kLanes> keys_{};
  std::barrier<> barrier_{kLanes};
};

template <int Slots>
std::vector<std::uint16_t> run(const RoutingProblem& problem) {
  const Popularity popularity(problem);
  const int k = problem.gate.top_k;
  std::vector<std::uint16_t> ids(static_cast<std::size_t>(problem.layers) * problem.tokens * k);
  HostWarp warp;
  const auto lane_program = [&](int lane) {
    for (int row = 0; row < problem.layers * problem.tokens; ++row) {
      const int layer = row / problem.tokens;
      const int token = row % problem.tokens;
      const Gate gate = gate_at(problem, layer);
      std::int32_t values[Slots];
      const auto choose = [&]<bool All>() {
        lane_values<All>(gate, gumbel_tables(),
                         popularity.logits(layer, popularity.token_contexts()[token]), problem.seed,
                         problem.stream, layer, token, lane, values);
        const auto warp_max = [&](std::int64_t key) { return warp.largest(lane, key); };
        TokenScale scale;
        if constexpr (All) {
          scale = lane_scale(gate, lane, values, warp_max,
                             [&](std::uint64_t value) { return warp.sum(lane, value); });
        }
        lane_choose<All>(gate, lane, values, scale, warp_max, [&](int n, int expert) {
          if (lane == 0)
            ids[static_cast<std::size_t>(row) * k + n] = static_cast<std::uint16_t>(expert);
        });
      };
      if (evaluates_all(gate)) {
        choose.template operator()<true>();
      } else {
        choose.template operator()<false>();
      }
    }
  };
  std::vector<std::jthread> lanes;
  for (int lane = 0; lane < kLanes; ++lane) lanes.emplace_back(lane_program, lane);
  lanes.clear();
  return ids;
}

class LaneGate : public testing::TestWithParam<NamedProblem> {};
INSTANTIATE_TEST_SUITE_P(Problems, LaneGate, testing::ValuesIn(all_problems()),
                         [](const auto& test) { return test.param.name; });

TEST_P(LaneGate, ChoosesWhatTheReferenceChooses) {
  RoutingProblem problem = GetParam().problem;
  problem.layers = 2;
  problem.tokens = 6;
  problem.batch_sizes = {};
  problem.gate.shared_slots = 0;  // appended on the host
  if (problem.gate.hash) GTEST_SKIP() << "A table is looked up by the function all backends call.";
  if (problem.bias.size() > static_cast<std::size_t>(problem.choices())) {
    problem.bias.resize(2 * problem.choices());
  }
  const auto expected = find_backend("reference").select(problem);
  if (problem.choices() <= 128) {
    EXPECT_EQ(run<4>(problem), expected);
  } else if (problem.choices() <= 256) {
    EXPECT_EQ(run<8>(problem), expected);
  } else if (problem.choices() <= 512) {
    EXPECT_EQ(run<16>(problem), expected);
  } else {
    EXPECT_EQ(run<32>(problem), expected);
  }
}

}  // namespace
}  // namespace tollgate::kernels
