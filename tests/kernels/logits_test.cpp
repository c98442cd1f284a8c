// Proves: given logits are rounded as documented, every backend chooses alike from them, the code
// of a GPU warp too, an exact ranking in double precision agrees, and NaN is refused with a
// sentence.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <algorithm>
#include <numeric>

#include "kernels/core/logit.h"
#include "kernels/core/shape.h"
#include "kernels/registry.h"
#include "tests/kernels/given_logits.h"
#include "tests/kernels/host_warp.h"
#include "tests/kernels/problems.h"

namespace tollgate::kernels {
namespace {

using ::testing::HasSubstr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(LogitToFixed, RoundsHalvesToEvenAndClamps) {
  EXPECT_EQ(logit_to_fixed(0.0f), 0);
  EXPECT_EQ(logit_to_fixed(-0.0f), 0);
  EXPECT_EQ(logit_to_fixed(1.0f), 1 << 20);
  EXPECT_EQ(logit_to_fixed(-3.25f), -(13 << 18));
  const float unit = 1.0f / (1 << 20);
  EXPECT_EQ(logit_to_fixed(0.5f * unit), 0);
  EXPECT_EQ(logit_to_fixed(1.5f * unit), 2);
  EXPECT_EQ(logit_to_fixed(2.5f * unit), 2);
  EXPECT_EQ(logit_to_fixed(-1.5f * unit), -2);
  EXPECT_EQ(logit_to_fixed(-2.5f * unit), -2);
  EXPECT_EQ(logit_to_fixed(0.75f * unit), 1);
  EXPECT_EQ(logit_to_fixed(1e-44f), 0);
  EXPECT_EQ(logit_to_fixed(2047.0f), 2047 << 20);
  for (const float beyond : {2048.0f, 1e30f, kInfinity}) {
    EXPECT_EQ(logit_to_fixed(beyond), 2147483520);
    EXPECT_EQ(logit_to_fixed(-beyond), -2147483520);
  }
}

class GivenLogits : public testing::TestWithParam<NamedProblem> {
 protected:
  static RoutingProblem problem() {
    RoutingProblem small = GetParam().problem;
    small.tokens = 70;
    small.batch_sizes = {};
    small.gate.shared_slots = 0;  // appended on the host
    return small;
  }
};
INSTANTIATE_TEST_SUITE_P(Problems, GivenLogits, testing::ValuesIn(all_problems()),
                         [](const auto& test) { return test.param.name; });

TEST_P(GivenLogits, TbbWithAnyThreadCount) {
  if (problem().gate.hash) GTEST_SKIP() << "a hash-routed gate reads no logits";
  const auto logits = some_logits(problem());
  const auto ids = find_backend("reference").select_logits(problem(), logits);
  for (const int threads : {1, 2, 3, 8}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    EXPECT_EQ(find_backend("tbb").select_logits(problem(), logits), ids) << threads << " threads";
  }
}

TEST_P(GivenLogits, CodeOfAGpuWarp) {
  if (problem().gate.hash) GTEST_SKIP() << "a hash-routed gate reads no logits";
  RoutingProblem small = problem();
  small.tokens = 3;
  const auto logits = some_logits(small);
  EXPECT_EQ(select_on_host_warp(small, logits),
            find_backend("reference").select_logits(small, logits));
}

// The logits of `some_logits` are exact in fixed point: ranking them as doubles must agree.
TEST(GivenLogitsRanking, IsTheTopKWhereNoGroupOrBiasDecides) {
  for (const auto& [name, problem] : all_problems()) {
    if (problem.gate.groups > 1 || !problem.bias.empty() || problem.gate.hash) continue;
    const auto logits = some_logits(problem);
    const auto ids = find_backend("tbb").select_logits(problem, logits);
    std::vector<int> order(problem.choices());
    for (std::size_t row = 0; row < logits.size() / problem.choices(); ++row) {
      std::iota(order.begin(), order.end(), 0);
      const float* x = logits.data() + row * problem.choices();
      std::stable_sort(order.begin(), order.end(), [&](int i, int j) {
        return static_cast<double>(x[i]) > static_cast<double>(x[j]);
      });
      for (int i = 0; i < problem.gate.top_k; ++i) {
        ASSERT_EQ(ids[row * problem.gate.slots() + i], order[i]) << name << " row " << row;
      }
    }
  }
}

std::string refusal(const RoutingBackend& backend, const RoutingProblem& problem,
                    const std::vector<float>& logits) {
  try {
    backend.select_logits(problem, logits);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no error";
}

TEST(GivenLogitsErrors, AreSentencesOfEveryBackend) {
  RoutingProblem problem = base_problem(gate_spec(ScoreFunction::softmax, 2), 8);
  problem.layers = 2;
  problem.tokens = 5;
  problem.batch_sizes = {};
  std::vector<float> logits(80, 0.5f);
  logits[40 + 3 * 8 + 6] = logits[79] = std::numeric_limits<float>::quiet_NaN();
  for (const RoutingBackend* backend : backends()) {
    if (!backend->available()) continue;
    EXPECT_EQ(refusal(*backend, problem, logits),
              "The logit of expert 6 for token 3 at layer 1 is not a number.")
        << backend->name();
    EXPECT_THAT(refusal(*backend, problem, {1, 2, 3}), HasSubstr("There are 3 logits"));
  }
}

TEST(GivenLogitsCuda, OnEveryProblem) {
  const RoutingBackend* cuda = backends().front();
  if (const Availability availability = cuda->available(); !availability) {
    GTEST_SKIP() << "CUDA gates over given logits were not compared: " << availability.reason;
  }
  for (const auto& [name, problem] : all_problems()) {
    if (problem.gate.hash) continue;
    const auto logits = some_logits(problem);
    EXPECT_EQ(cuda->select_logits(problem, logits),
              find_backend("reference").select_logits(problem, logits))
        << name;
  }
}

}  // namespace
}  // namespace tollgate::kernels
