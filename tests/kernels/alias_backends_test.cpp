// Proves: every backend draws what the plain written-out generator draws, for any number of threads
// and any instruction set, and so does the code that a GPU thread runs, run here on the host.

#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include "kernels/cuda/lane_alias.h"
#include "kernels/generator/alias_generator.h"
#include "kernels/generator/alias_lanes.h"
#include "kernels/registry.h"
#include "tests/kernels/generator_problems.h"

namespace tollgate::kernels {
namespace {

/// What the kernel does around `draw_lane`, one chain after the other.
template <int Most>
std::vector<std::uint16_t> draw_on_lanes(const AliasGenerator& generator) {
  const AliasShape shape = generator.shape();
  const bool sticky = shape.sticky != 0;
  std::vector<std::uint16_t> ids;
  for (int layer = 0; layer < generator.problem().layers; ++layer) {
    for (int s = 0; s < shape.sequences; ++s) {
      int picks[Most] = {};
      const int begin = shape.sequence_starts[s];
      for (int token = begin; token < shape.sequence_starts[s + 1]; ++token) {
        draw_lane(shape, shape.tables + alias_cell(shape, layer, token), layer, token,
                  sticky && token > begin, picks);
        for (int i = shape.top_k - 1; i >= 0; --i) {
          ids.push_back(static_cast<std::uint16_t>(picks[i]));
        }
      }
    }
  }
  return ids;
}

class AliasBackends : public testing::TestWithParam<NamedGenerator> {};
INSTANTIATE_TEST_SUITE_P(Problems, AliasBackends, testing::ValuesIn(all_generators()),
                         [](const auto& test) { return test.param.name; });

TEST_P(AliasBackends, TbbWithAnyThreadCountAndInstructionSet) {
  const GeneratorProblem& problem = GetParam().problem;
  const RoutingBackend& reference = find_backend("reference");
  const auto ids = reference.draw(problem);
  const auto counts = reference.histogram(problem);
  for (const int threads : {1, 2, 3, 8}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    EXPECT_EQ(find_backend("tbb").draw(problem), ids) << threads << " threads";
    EXPECT_EQ(find_backend("tbb").histogram(problem), counts) << threads << " threads";
  }
  for (const AliasVariant& variant : alias_variants()) {
    AliasGenerator generator(problem);
    generator.use(variant.name);
    EXPECT_EQ(generator.select(), ids) << variant.name;
  }
}

TEST_P(AliasBackends, CodeOfAGpuThread) {
  const AliasGenerator generator(GetParam().problem);
  const auto ids = find_backend("reference").draw(GetParam().problem);
  const int k = GetParam().problem.top_k;
  EXPECT_EQ(draw_on_lanes<32>(generator), ids);
  if (k <= 16) {
    EXPECT_EQ(draw_on_lanes<16>(generator), ids);
  }
  if (k <= 10) {
    EXPECT_EQ(draw_on_lanes<10>(generator), ids);
  }
  if (k <= 8) {
    EXPECT_EQ(draw_on_lanes<8>(generator), ids);
  }
  if (k <= 6) {
    EXPECT_EQ(draw_on_lanes<6>(generator), ids);
  }
  if (k <= 4) {
    EXPECT_EQ(draw_on_lanes<4>(generator), ids);
  }
}

GeneratorProblem windows_problem() {
  GeneratorProblem problem = generator_problem(64, 6, 0.2, 16);
  problem.tokens = 1000;
  return problem;
}

TEST(BusiestLoads, AreTheSameOnEveryBackendAndAddUpInOneRank) {
  const GeneratorProblem problem = windows_problem();
  for (const int ranks : {1, 7, 8, 64}) {
    const auto expected = find_backend("reference").busiest_loads(problem, 48, ranks);
    ASSERT_EQ(expected.size(), 3u * 20u);
    if (ranks == 1) {
      EXPECT_EQ(expected, std::vector<std::int64_t>(60, 48 * 6));
    }
    for (const RoutingBackend* backend : backends()) {
      if (!backend->available()) continue;
      EXPECT_EQ(backend->busiest_loads(problem, 48, ranks), expected) << backend->name();
    }
  }
}

TEST(BusiestLoads, RefuseWindowsThatCutASequence) {
  EXPECT_THROW(find_backend("tbb").busiest_loads(windows_problem(), 40, 8), std::invalid_argument);
  EXPECT_THROW(find_backend("tbb").busiest_loads(windows_problem(), 1001, 8),
               std::invalid_argument);
  EXPECT_THROW(find_backend("tbb").busiest_loads(windows_problem(), 48, 65), std::invalid_argument);
  EXPECT_THROW(find_backend("reference").busiest_loads(windows_problem(), 40, 8),
               std::invalid_argument);
}

TEST(AliasCuda, OnEveryProblem) {
  const RoutingBackend* cuda = backends().front();
  if (const Availability availability = cuda->available(); !availability) {
    GTEST_SKIP() << "CUDA draws were not compared: " << availability.reason;
  }
  for (const auto& [name, problem] : all_generators()) {
    EXPECT_EQ(cuda->draw(problem), find_backend("reference").draw(problem)) << name;
    EXPECT_EQ(cuda->histogram(problem), find_backend("reference").histogram(problem)) << name;
  }
}

}  // namespace
}  // namespace tollgate::kernels
