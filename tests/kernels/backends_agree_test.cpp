// Proves: every backend chooses the same experts in the same order and returns the same statistics
// as the reference, for any number of threads and any instruction set.

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <cstdlib>
#include <string>
#include <thread>

#include "kernels/registry.h"
#include "kernels/tbb/selector.h"
#include "tests/kernels/problems.h"

namespace tollgate::kernels {
namespace {

class BackendsAgree : public testing::TestWithParam<NamedProblem> {};

INSTANTIATE_TEST_SUITE_P(Problems, BackendsAgree, testing::ValuesIn(all_problems()),
                         [](const auto& test) { return test.param.name; });

TEST_P(BackendsAgree, TbbWithAnyThreadCount) {
  const RoutingProblem& problem = GetParam().problem;
  const RoutingBackend& reference = find_backend("reference");
  const RoutingBackend& tbb_backend = find_backend("tbb");
  const auto ids = reference.select(problem);
  const RoutingStats stats = reference.route(problem);
  for (const int threads : {1, 2, 3, 8}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    tbb::task_arena arena(threads);
    arena.execute([&] {
      EXPECT_EQ(tbb_backend.select(problem), ids) << threads << " threads";
      EXPECT_EQ(tbb_backend.route(problem), stats) << threads << " threads";
    });
  }
}

TEST_P(BackendsAgree, EveryInstructionSet) {
  RoutingProblem problem = GetParam().problem;
  if (problem.gate.hash) GTEST_SKIP() << "A table is looked up: there is no instruction set.";
  problem.gate.shared_slots = 0;
  const auto ids = find_backend("reference").select(problem);
  const Popularity popularity(problem);
  Selector selector(problem, popularity);
  for (int context = 0; context < popularity.contexts(); ++context) selector.prepare(1, context);
  const int k = problem.gate.top_k;
  std::vector<std::uint16_t> chosen(k);
  for (const ScreenVariant& variant : screen_variants()) {
    selector.use(variant);
    for (int token = 0; token < problem.tokens; ++token) {
      selector.select(1, token, chosen.data());
      const auto row = ids.begin() + (static_cast<std::ptrdiff_t>(problem.tokens) + token) * k;
      ASSERT_TRUE(std::equal(chosen.begin(), chosen.end(), row)) << variant.name << " " << token;
    }
  }
}

// Under the thread sanitizer this says more than the tests above: Debian's libtbb is not
// instrumented, so that its hand-over of tasks looks like a race.
TEST(SelectorThreads, ShareOneSelector) {
  RoutingProblem problem = base_problem(gate_spec(ScoreFunction::softmax, 8), 128);
  problem.popularity = {0.3, 0.9, 0.4, 2, 2, 1};
  const auto ids = find_backend("reference").select(problem);
  const Popularity popularity(problem);
  Selector selector(problem, popularity);
  const auto on_all_layers = [&](const auto& body) {
    std::vector<std::jthread> threads;
    for (int layer = 0; layer < problem.layers; ++layer) threads.emplace_back(body, layer);
  };
  on_all_layers([&](int layer) {
    for (int context = 0; context < 4; ++context) selector.prepare(layer, context);
  });
  std::vector<std::uint16_t> chosen(ids.size());
  on_all_layers([&](int layer) {
    for (int token = 0; token < problem.tokens; ++token) {
      selector.select(layer, token, chosen.data() + (layer * problem.tokens + token) * 8);
    }
  });
  EXPECT_EQ(chosen, ids);
}

TEST(CudaAgrees, OnEveryProblem) {
  const RoutingBackend* cuda = backends().front();
  ASSERT_EQ(cuda->name(), "cuda");
  if (const Availability availability = cuda->available(); !availability) {
    const char* required = std::getenv("TOLLGATE_REQUIRE_CUDA");
    ASSERT_FALSE(required != nullptr && std::string(required) == "1")
        << "TOLLGATE_REQUIRE_CUDA=1, but: " << availability.reason;
    GTEST_SKIP() << "CUDA results were not compared: " << availability.reason;
  }
  for (const auto& [name, problem] : all_problems()) {
    EXPECT_EQ(cuda->select(problem), find_backend("reference").select(problem)) << name;
    EXPECT_EQ(cuda->route(problem), find_backend("reference").route(problem)) << name;
  }
}

}  // namespace
}  // namespace tollgate::kernels
