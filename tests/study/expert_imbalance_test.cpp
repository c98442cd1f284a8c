// The routing engine moves the answer: DeepSeek-V3.2 on 32 GPUs under eight kinds of routing and
// placement.

#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <map>

#include "kernels/registry.h"
#include "sim/placement/memory_plan.h"
#include "sim/spec/scenario_schema.h"
#include "sim/study/run.h"

namespace tollgate {
namespace {

TEST(expert_imbalance, skew_costs_and_planned_placement_buys_most_of_it_back) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const Scenario scenario = load_scenario(TOLLGATE_REPOSITORY "/scenarios/expert-imbalance.yaml",
                                          {"routing.tokens=4096"}, library);
  std::map<std::string, double> cost, imbalance;
  for (const CandidateResult& c :
       run_scenario(scenario, library, kernels::find_backend("tbb")).candidates) {
    ASSERT_TRUE(c.meets_slo) << c.name << ": " << c.reason;
    cost[c.name] = c.usd_per_million_output_tokens.value;
    imbalance[c.name] = c.decode_bound.imbalance;
  }
  // More skew costs more.
  EXPECT_LT(cost["uniform"] * 1.10, cost["mixed traffic"]);
  EXPECT_LT(cost["mixed traffic"] * 1.05, cost["one domain"]);
  EXPECT_LT(cost["one domain"] * 1.5, cost["adversarial"]);
  EXPECT_LT(imbalance["uniform"], imbalance["mixed traffic"]);
  EXPECT_LT(imbalance["mixed traffic"], imbalance["adversarial"]);
  // A plan made from the traffic it serves buys back at least two thirds of what skew cost.
  const auto repaired = [&](const std::string& name) {
    return (cost[name] - cost[name + " with EPLB"]) / (cost[name] - cost["uniform"]);
  };
  EXPECT_GT(repaired("mixed traffic"), 2.0 / 3);
  EXPECT_GT(repaired("one domain"), 2.0 / 3);
  EXPECT_GT(repaired("adversarial"), 2.0 / 3);
  // A plan made from the mix helps a single domain, but by less.
  EXPECT_LT(cost["one domain with EPLB"] * 1.05, cost["one domain with a plan for the mix"]);
  EXPECT_LT(cost["one domain with a plan for the mix"], cost["one domain"]);
}

TEST(expert_imbalance, golden_amounts) {
  // DeepSeek-V3.2 on 32 H200, the scenario as shipped. USD per million output tokens over that of
  // uniform routing, to 4 %: what skew costs, and what a plan leaves of it.
  Library library(TOLLGATE_REPOSITORY "/models");
  const Scenario scenario =
      load_scenario(TOLLGATE_REPOSITORY "/scenarios/expert-imbalance.yaml", {}, library);
  const RunResult result = run_scenario(scenario, library, kernels::find_backend("tbb"));
  const std::map<std::string, double> expected{{"uniform", 1},
                                               {"mixed traffic", 1.18},
                                               {"mixed traffic with EPLB", 1.025},
                                               {"one domain", 1.32},
                                               {"one domain with EPLB", 1.015},
                                               {"one domain with a plan for the mix", 1.19},
                                               {"adversarial", 2.81},
                                               {"adversarial with EPLB", 1.155}};
  ASSERT_EQ(result.candidates.size(), expected.size());
  double cost = 0, rate = 0;
  for (const CandidateResult& c : result.candidates) {
    if (c.name != "uniform") continue;
    cost = c.usd_per_million_output_tokens.value;
    rate = c.output_tokens_per_second_per_gpu.value;
  }
  for (const CandidateResult& c : result.candidates) {
    const double ratio = expected.at(c.name);
    EXPECT_EQ(c.gpus, 32) << c.name;
    EXPECT_NEAR(c.usd_per_million_output_tokens.value / cost / ratio, 1, 0.04) << c.name;
    EXPECT_NEAR(rate / c.output_tokens_per_second_per_gpu.value / ratio, 1, 0.04) << c.name;
    // Imbalance is the bound where nothing repairs it, and only there.
    EXPECT_EQ(c.decode_bound.name == "imbalance", c.name == "adversarial") << c.name;
    EXPECT_LE(c.decode_step.p50, c.decode_step.p95) << c.name;
    EXPECT_GT(c.decode_step.p95, 0) << c.name;
    ASSERT_EQ(c.routing.size(), 1u) << c.name;
    for (const PhaseRouting& p : {c.routing[0].decode, c.routing[0].prefill}) {
      EXPECT_LE(p.busiest_p50, p.busiest_p95) << c.name;
      EXPECT_LE(p.busiest_p95, p.busiest_max) << c.name;
      EXPECT_GT(p.network.p95, 0) << c.name;
      EXPECT_GT(p.scale_up.p95, 0) << c.name;
    }
  }
}

TEST(expert_imbalance, results_do_not_depend_on_threads) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const Scenario scenario = load_scenario(TOLLGATE_REPOSITORY "/scenarios/expert-imbalance.yaml",
                                          {"routing.tokens=256"}, library);
  const auto cost = [&](int threads) {
    const tbb::global_control control(tbb::global_control::max_allowed_parallelism,
                                      static_cast<std::size_t>(threads));
    std::vector<double> out;
    for (const auto& c : run_scenario(scenario, library, kernels::find_backend("tbb")).candidates) {
      out.push_back(c.usd_per_million_output_tokens.value);
      out.push_back(c.decode_step.p95);
    }
    return out;
  };
  EXPECT_EQ(cost(1), cost(3));
}

TEST(expert_imbalance, redundant_experts_take_memory) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const Scenario scenario = load_scenario(TOLLGATE_REPOSITORY "/scenarios/expert-imbalance.yaml",
                                          {"routing.tokens=256"}, library);
  const auto weights = [&](const char* name) {
    for (const CandidateSpec& c : scenario.candidates) {
      if (c.name != name) continue;
      return plan_memory(c.model, c.hardware, {1, 1, 32, 32},
                         deployed_precision(c.model, c.deployment), c.deployment, scenario.method,
                         2000, step_tokens(c.engine, c.deployment, {1, 1, 32, 32}, c.hardware))
          .weights;
    }
    return 0.0;
  };
  // One more expert of 44 M fp8 elements per rank in each of 58 layers.
  EXPECT_NEAR(weights("mixed traffic with EPLB") - weights("mixed traffic"), 58 * 3.0 * 7168 * 2048,
              1);
}

}  // namespace
}  // namespace tollgate
