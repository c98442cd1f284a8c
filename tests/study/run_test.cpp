#include "sim/study/run.h"

#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "kernels/registry.h"
#include "sim/spec/scenario_schema.h"
#include "sim/study/deployment_search.h"

namespace tollgate {
namespace {

const char* const small_scenario = R"(schema_version: 1
name: small
workload:
  - {name: chat, input: 1000, output: 200, prefix_hit_rate: 0.2}
load: {kind: saturate}
slo: {ttft: 2 s, tpot: 40 ms}
routing: {layers: 2, tokens: 4096}
candidates:
  - {name: moe, model: MiniMax-M2.5, hardware: H200-SXM}
  - {name: dense, model: Llama-3.1-70B, hardware: H200-SXM}
)";

Scenario scenario(const std::vector<std::string>& overrides = {},
                  const std::string& text = small_scenario) {
  Library library(TOLLGATE_REPOSITORY "/models");
  return parse_scenario(text, "small.yaml", overrides, library);
}

RunResult run(const Scenario& s, const char* backend = "tbb") {
  Library library(TOLLGATE_REPOSITORY "/models");
  return run_scenario(s, library, kernels::find_backend(backend));
}

void for_each_estimate(const CandidateResult& c,
                       const std::function<void(const Estimate&)>& visit) {
  for (const Estimate* e :
       {&c.memory.capacity, &c.memory.weights, &c.memory.kv_cache, &c.memory.recurrent_state,
        &c.memory.activations, &c.memory.runtime_overhead, &c.memory.free, &c.largest_batch,
        &c.batch, &c.input_tokens_per_second_per_gpu, &c.output_tokens_per_second_per_gpu,
        &c.requests_per_second, &c.ttft, &c.tpot, &c.end_to_end,
        &c.gpu_hours_per_million_output_tokens, &c.usd_per_million_output_tokens,
        &c.usd_per_million_tokens}) {
    visit(*e);
  }
}

TEST(run, every_number_is_finite_ordered_and_not_negative) {
  for (const auto& overrides : std::vector<std::vector<std::string>>{
           {},
           {"slo.tpot=1 us"},
           {"load={kind: concurrency, concurrency: 5000}"},
           {"load={kind: rate, rate: 900 req/s}"},
           {"candidates.dense.model=Llama-3.1-405B", "candidates.dense.hardware=L40S",
            "pricing.usd_per_gpu_hour=1 USD/h"}}) {
    for (const CandidateResult& c : run(scenario(overrides)).candidates) {
      for_each_estimate(c, [&](const Estimate& e) {
        EXPECT_TRUE(std::isfinite(e.low) && std::isfinite(e.value) && std::isfinite(e.high))
            << c.name;
        EXPECT_LE(e.low, e.value) << c.name;
        EXPECT_LE(e.value, e.high) << c.name;
        EXPECT_GE(e.low, 0) << c.name;
      });
      EXPECT_FALSE(c.reason.empty()) << c.name;
    }
  }
}

TEST(run, the_operating_point_keeps_the_target_and_fills_the_memory_it_says) {
  for (const CandidateResult& c : run(scenario()).candidates) {
    ASSERT_TRUE(c.fits && c.meets_slo) << c.name << ": " << c.reason;
    EXPECT_LE(c.tpot.value, 0.040) << c.name;
    EXPECT_LE(c.ttft.value, 2.0) << c.name;
    EXPECT_LE(c.batch.value, c.largest_batch.value) << c.name;
    const MemoryResult& m = c.memory;
    const double used = m.weights.value + m.kv_cache.value + m.recurrent_state.value +
                        m.activations.value + m.runtime_overhead.value + m.free.value;
    EXPECT_NEAR(used / m.capacity.value, 1, 1e-9) << c.name;
    EXPECT_EQ(c.gpus, c.tensor * c.pipeline * c.data_attention) << c.name;
  }
}

TEST(run, dollars_are_gpu_hours_times_the_price_and_gpu_hours_are_rent_over_tokens) {
  const RunResult r = run(scenario());
  for (const CandidateResult& c : r.candidates) {
    EXPECT_NEAR(c.usd_per_million_output_tokens.value,
                c.gpu_hours_per_million_output_tokens.value * c.price.usd_per_hour, 1e-9);
    EXPECT_NEAR(c.gpu_hours_per_million_output_tokens.value,
                1e6 / 3600 / c.output_tokens_per_second_per_gpu.value, 1e-9);
    // The same bill over all tokens.
    EXPECT_NEAR(c.usd_per_million_tokens.value * (r.mean_input + r.mean_output),
                c.usd_per_million_output_tokens.value * r.mean_output, 1e-6);
    EXPECT_FALSE(c.price.date.empty());
  }
}

TEST(run, a_looser_target_never_costs_more) {
  double previous[2] = {1e18, 1e18};
  for (const char* tpot : {"15 ms", "25 ms", "50 ms", "100 ms", "300 ms"}) {
    const RunResult r = run(scenario({std::string("slo.tpot=") + tpot}));
    for (std::size_t i = 0; i < r.candidates.size(); ++i) {
      if (!r.candidates[i].meets_slo) continue;
      EXPECT_LE(r.candidates[i].usd_per_million_output_tokens.value, previous[i] * 1.001) << tpot;
      previous[i] = r.candidates[i].usd_per_million_output_tokens.value;
    }
  }
}

TEST(run, a_rate_is_met_with_enough_replicas_and_half_of_it_needs_no_more) {
  const RunResult full = run(scenario({"load={kind: rate, rate: 400 req/s}"}));
  const RunResult half = run(scenario({"load={kind: rate, rate: 200 req/s}"}));
  for (std::size_t i = 0; i < full.candidates.size(); ++i) {
    const CandidateResult& c = full.candidates[i];
    EXPECT_NEAR(c.requests_per_second.value * c.replicas, 400, 1e-6);
    EXPECT_LE(half.candidates[i].replicas, c.replicas);
    EXPECT_NEAR(c.usd_per_hour, c.replicas * c.gpus * c.price.usd_per_hour, 1e-9);
    EXPECT_LE(c.tpot.value, 0.040);
  }
}

TEST(run, half_the_utilisation_is_twice_the_cost) {
  const RunResult full = run(scenario()), half = run(scenario({"pricing.utilisation=0.5"}));
  for (std::size_t i = 0; i < full.candidates.size(); ++i) {
    EXPECT_NEAR(half.candidates[i].usd_per_million_output_tokens.value,
                2 * full.candidates[i].usd_per_million_output_tokens.value, 1e-9);
  }
}

TEST(run, a_model_that_does_not_fit_says_what_it_needs) {
  const RunResult r =
      run(scenario({"candidates.dense.model=Kimi-K3", "candidates.dense.deployment={gpus: 8}"}));
  const CandidateResult& c = r.candidates[1];
  EXPECT_FALSE(c.fits);
  EXPECT_NE(c.reason.find("per GPU"), std::string::npos) << c.reason;
  EXPECT_NE(c.reason.find("8 x H200-SXM"), std::string::npos) << c.reason;
  EXPECT_EQ(r.cheapest, 0);
}

// 32 ranks of 8192 tokens that all gather what all have: 60 GB beside 40 GB of weights.
TEST(run, workspace_that_does_not_fit_names_its_remedy_and_it_helps) {
  const auto candidate = [&](const std::vector<std::string>& overrides) {
    std::vector<std::string> wide{
        "candidates.moe.model=DeepSeek-V3.2", "candidates.moe.hardware=H100-SXM",
        "candidates.moe.deployment={gpus: 32, tensor: 1, pipeline: 1, expert: 32, "
        "data_attention: 32}"};
    wide.insert(wide.end(), overrides.begin(), overrides.end());
    return run(scenario(wide)).candidates.front();
  };
  const CandidateResult c = candidate({});
  ASSERT_FALSE(c.fits);
  EXPECT_NE(c.reason.find("(batched_tokens)"), std::string::npos) << c.reason;
  EXPECT_TRUE(candidate({"candidates.moe.deployment.batched_tokens=2048"}).fits);
  // Weights alone are too much for eight: a smaller step would not help, and is not named.
  const CandidateResult heavy =
      candidate({"candidates.moe.deployment={gpus: 8, tensor: 1, pipeline: 1, expert: 8, "
                 "data_attention: 8}"});
  ASSERT_FALSE(heavy.fits);
  EXPECT_EQ(heavy.reason.find("batched_tokens"), std::string::npos) << heavy.reason;
}

TEST(run, results_do_not_depend_on_threads_or_backend) {
  const Scenario s = scenario();
  const auto figures = [&](const RunResult& r) {
    std::vector<double> out;
    for (const CandidateResult& c : r.candidates) {
      for_each_estimate(c, [&](const Estimate& e) {
        out.insert(out.end(), {e.low, e.value, e.high});
      });
      for (const RoutingResult& q : c.routing)
        out.insert(out.end(), {q.busiest_rank_ratio, q.distinct_experts});
    }
    return out;
  };
  const auto expected = figures(run(s, "reference"));
  for (const std::size_t threads : {1, 2, 3, 8}) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, threads);
    EXPECT_EQ(figures(run(s, "tbb")), expected) << threads << " threads";
  }
}

TEST(run, stand_ins_are_named_and_strict_refuses_them) {
  const Scenario s = scenario();
  const auto says = [](const CandidateResult& c, const std::string& text) {
    return std::any_of(c.assumptions.begin(), c.assumptions.end(),
                       [&](const std::string& a) { return a.find(text) != std::string::npos; });
  };
  for (const CandidateResult& c : run(s).candidates) {
    EXPECT_TRUE(says(c, "elementwise, cuda, bytes: not measured on H200-SXM")) << c.name;
    EXPECT_TRUE(says(c, "are fitted to")) << c.name;
    for (const OperatorShare& o : c.operators) {
      EXPECT_GT(o.low, 0) << o.name;
      EXPECT_LT(o.low, o.seconds) << o.name;
      EXPECT_GT(o.high, o.seconds) << o.name;
    }
  }
  Library library(TOLLGATE_REPOSITORY "/models");
  EXPECT_THROW(run_scenario(s, library, kernels::find_backend("tbb"), true), InputError);
}

/// A dense bf16 model on H100 rests on measured kernels alone: nothing stands in.
TEST(run, strict_accepts_a_dense_model_on_a_measured_device) {
  Scenario s =
      scenario({"candidates.dense.hardware=H100-SXM", "candidates.dense.model=Llama-3.1-70B",
                "candidates.dense.deployment={tensor: 8}"});
  std::erase_if(s.candidates, [](const CandidateSpec& c) { return c.name != "dense"; });
  ASSERT_EQ(s.candidates.size(), 1u);
  Library library(TOLLGATE_REPOSITORY "/models");
  const RunResult strict = run_scenario(s, library, kernels::find_backend("tbb"), true);
  ASSERT_TRUE(strict.candidates.front().fits);
  for (const std::string& a : strict.candidates.front().assumptions) {
    EXPECT_EQ(a.find("not measured"), std::string::npos) << a;
  }
}

// Where kernels need not wait for their launches, which hide what the busiest rank takes longer.
TEST(run, routing_matters_uniform_popularity_is_cheaper_than_skewed) {
  const std::vector<std::string> wide{
      "candidates.moe.deployment={tensor: 1, pipeline: 1, expert: 8, data_attention: 8}",
      "candidates.moe.engine={base: vllm, host_per_call: 0 us}"};
  auto skewed = wide, uniform = wide;
  uniform.push_back("routing.popularity=uniform");
  skewed.insert(skewed.end(), {"routing.popularity=lognormal", "routing.sigma=1.5"});
  const CandidateResult a = run(scenario(uniform)).candidates[0],
                        b = run(scenario(skewed)).candidates[0];
  EXPECT_LT(a.usd_per_million_output_tokens.value, b.usd_per_million_output_tokens.value);
  EXPECT_LT(a.routing.front().busiest_rank_ratio, b.routing.front().busiest_rank_ratio);
}

CandidateSpec candidate(const char* model, const char* hardware) {
  Library library(TOLLGATE_REPOSITORY "/models");
  CandidateSpec c;
  c.model = library.model(model, {});
  c.hardware = library.hardware(hardware, {});
  return c;
}

TEST(deployment_search, dense_models_are_not_spread_over_data_parallel_attention) {
  for (const Deployment& d : deployments_to_try(candidate("Llama-3.1-70B", "H200-SXM"), false)) {
    EXPECT_EQ(d.data_attention, 1);
    EXPECT_EQ(d.expert, 1);
    EXPECT_EQ(64 % d.tensor, 0);
    EXPECT_LE(d.gpus(), 8);
  }
}

TEST(deployment_search, mixtures_are_tried_sliced_and_whole_and_with_data_parallel_attention) {
  std::set<std::pair<int, int>> seen;
  for (const Deployment& d : deployments_to_try(candidate("DeepSeek-V3", "H200-SXM"), false)) {
    if (d.gpus() == 8 && d.pipeline == 1) seen.insert({d.data_attention, d.expert});
    EXPECT_EQ(d.stage_ranks() % d.expert, 0);
  }
  for (const auto& wanted : {std::pair{1, 1}, {1, 8}, {8, 8}, {8, 1}, {2, 8}})
    EXPECT_TRUE(seen.count(wanted));
}

TEST(deployment_search, what_is_fixed_is_kept) {
  CandidateSpec c = candidate("DeepSeek-V3", "H200-SXM");
  c.deployment.gpus = 16;
  c.deployment.tensor = 4;
  const auto all = deployments_to_try(c, false);
  ASSERT_FALSE(all.empty());
  for (const Deployment& d : all) {
    EXPECT_EQ(d.gpus(), 16);
    EXPECT_EQ(d.tensor, 4);
  }
  EXPECT_TRUE(deployments_to_try(c, true).empty());
}

}  // namespace
}  // namespace tollgate
