// Deployments that the search tries, against rules of the engines.
#include "sim/study/deployment_search.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "sim/spec/library.h"

namespace tollgate {
namespace {

std::vector<Deployment> tried(const char* model, int gpus, std::optional<Precision> weights = {}) {
  static Library library(TOLLGATE_REPOSITORY "/models");
  CandidateSpec c;
  c.model = library.model(model, {});
  c.hardware = library.hardware("H200-SXM", {});
  c.deployment.gpus = gpus;
  c.deployment.weights = weights;
  return deployments_to_try(c, false);
}

bool has(const std::vector<Deployment>& all, const Deployment& d) {
  return std::find(all.begin(), all.end(), d) != all.end();
}

/// MiniMax-M2.5 has experts of 1536 in fp8 with a scale per block of 128: vLLM loads them sliced in
/// four, not in eight ("pure TP8 is not supported", vLLM's recipe for it).
TEST(DeploymentSearch, ExpertsAreNotSlicedThroughABlockOfScales) {
  EXPECT_TRUE(has(tried("MiniMax-M2.5", 4), {4, 1, 1, 1}));
  EXPECT_FALSE(has(tried("MiniMax-M2.5", 8), {8, 1, 1, 1}));
  EXPECT_TRUE(has(tried("MiniMax-M2.5", 8), {8, 1, 8, 1}));
  EXPECT_TRUE(has(tried("DeepSeek-V3", 8), {8, 1, 1, 1})) << "2048 / 8 is two blocks";
  EXPECT_TRUE(has(tried("Qwen3-235B-A22B", 8), {8, 1, 1, 1})) << "bf16 has no scales";
  EXPECT_FALSE(has(tried("Qwen3-235B-A22B", 8, Precision::fp8), {8, 1, 1, 1}));
}

}  // namespace
}  // namespace tollgate
