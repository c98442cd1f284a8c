#include <gtest/gtest.h>

#include "kernels/registry.h"
#include "sim/spec/scenario_schema.h"
#include "sim/study/run.h"

namespace tollgate {
namespace {

// The search looks at one draw; the reported means are over three, whose requests differ.
TEST(SimulatedPoint, KeepsTheTargetOverAllDraws) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const Scenario s = parse_scenario(
      "schema_version: 1\nname: t\nfidelity: simulated\ncandidates:\n"
      "  - {model: Llama-3.1-70B, hardware: H200-SXM, deployment: {tensor: 4, pipeline: 1}}\n"
      "workload:\n"
      "  - {name: chat, input: {kind: lognormal, mean: 1155, sigma: 0.98},\n"
      "     output: {kind: lognormal, mean: 211, sigma: 0.8}, prefix_hit_rate: 0.3}\n"
      "  - {name: long, weight: 0.1, input: 12000, output: 300, prefix_hit_rate: 0}\n"
      "load: {kind: saturate}\nslo: {ttft: 2 s, tpot: 50 ms}\n",
      "t.yaml", {}, library);
  const RunResult result = run_scenario(s, library, kernels::find_backend("tbb"));
  const CandidateResult& c = result.candidates.at(0);
  ASSERT_TRUE(c.meets_slo);
  ASSERT_EQ(c.simulated->seeds, 3);
  EXPECT_LE(c.tpot.value, 0.050);
  EXPECT_LE(c.ttft.value, 2);
  EXPECT_GT(c.tpot.value, 0.045);  // and not far below
}

}  // namespace
}  // namespace tollgate
