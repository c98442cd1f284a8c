#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <algorithm>
#include <ios>
#include <sstream>

#include "kernels/registry.h"
#include "sim/spec/scenario_schema.h"
#include "sim/study/run.h"

namespace tollgate {
namespace {

const char* const text = R"(schema_version: 1
name: simulated
fidelity: simulated
workload:
  - {name: chat, input: {kind: lognormal, mean: 1000, sigma: 0.8}, output: {kind: lognormal, mean: 200, sigma: 0.7}, prefix_hit_rate: 0.2}
load: {kind: saturate}
slo: {ttft: 2 s, tpot: 30 ms}
routing: {layers: 2, tokens: 4096}
candidates:
  - {name: moe, model: gpt-oss-120b, hardware: H200-SXM, deployment: {tensor: 2, pipeline: 1, data_attention: 1}}
  - {name: dense, model: Llama-3.1-70B, hardware: H200-SXM, deployment: {weights: fp8, tensor: 4, pipeline: 1, data_attention: 1}}
)";

RunResult run(const std::vector<std::string>& overrides) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const Scenario s = parse_scenario(text, "simulated.yaml", overrides, library);
  return run_scenario(s, library, kernels::find_backend("tbb"));
}

/// All digits of what a report shows.
std::string figures(const RunResult& result) {
  std::ostringstream out;
  out << std::hexfloat;
  for (const CandidateResult& c : result.candidates) {
    const SimulatedResult& s = *c.simulated;
    out << c.replicas << ' ' << c.usd_per_million_output_tokens.value << ' ' << c.batch.value << ' '
        << s.requests << ' ' << s.goodput.mean << ' ' << s.hit_rate.mean << ' ' << s.reason;
    for (const SimulatedLatency* l : {&s.ttft, &s.tpot, &s.end_to_end}) {
      for (const SeedInterval* i : {&l->mean, &l->p50, &l->p90, &l->p95, &l->p99}) {
        out << ' ' << i->mean << ' ' << i->half_width;
      }
    }
    for (const LoadSample& t : s.timeline) {
      out << ' ' << t.at << ' ' << t.running << ' ' << t.waiting << ' ' << t.blocks << ' '
          << t.tokens;
    }
    out << '\n';
  }
  return out.str();
}

TEST(simulated_run, the_same_bytes_for_any_number_of_threads) {
  const std::vector<std::string> rate{"load={kind: rate, rate: 40 req/s}"};
  const std::string many = figures(run(rate));
  const tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
  EXPECT_EQ(figures(run(rate)), many);
}

// The largest number of users that keeps the target: what is found keeps it, a tenth more does not.
TEST(simulated_run, saturation_is_at_the_target) {
  const RunResult result = run({});
  for (const CandidateResult& c : result.candidates) {
    SCOPED_TRACE(c.name);
    ASSERT_TRUE(c.simulated);
    EXPECT_TRUE(c.meets_slo);
    EXPECT_LE(c.tpot.value, 0.030);
    const int more = static_cast<int>(c.batch.value * 1.1) + 1;
    const RunResult beyond =
        run({"load={kind: concurrency, concurrency: " + std::to_string(more) + "}"});
    EXPECT_GT(beyond.candidates[c.name == "moe" ? 0 : 1].tpot.value, 0.030);
  }
}

// 60 requests/s need replicas: those that are reported keep the target, and what is asked for is
// what comes out, to the 2 % that 4,000 Poisson arrivals vary by.
TEST(simulated_run, a_rate_is_carried_by_enough_replicas) {
  const RunResult result = run({"load={kind: rate, rate: 60 req/s}"});
  for (const CandidateResult& c : result.candidates) {
    SCOPED_TRACE(c.name);
    EXPECT_TRUE(c.meets_slo);
    EXPECT_LE(c.tpot.value, 0.030);
    EXPECT_NEAR(c.requests_per_second.value * c.replicas / 60, 1, 0.06);
  }
}

TEST(simulated_run, percentiles_are_ordered_and_hits_are_those_stated) {
  const RunResult result = run({});
  for (const CandidateResult& c : result.candidates) {
    const SimulatedResult& s = *c.simulated;
    for (const SimulatedLatency* l : {&s.ttft, &s.tpot, &s.itl, &s.end_to_end}) {
      EXPECT_GT(l->p50.mean, 0);
      EXPECT_LE(l->p50.mean, l->p90.mean);
      EXPECT_LE(l->p90.mean, l->p95.mean);
      EXPECT_LE(l->p95.mean, l->p99.mean);
      EXPECT_LE(l->p99.mean, l->max.mean);
    }
    EXPECT_NEAR(s.hit_rate.mean, 0.2, 0.002);
    // The simulation does not choose the deployment, and the report says who did.
    EXPECT_TRUE(std::any_of(c.assumptions.begin(), c.assumptions.end(), [](const std::string& a) {
      return a.starts_with("The deployment is the best of the closed form");
    }));
    EXPECT_FALSE(s.timeline.empty());
    for (const LoadSample& sample : s.timeline) {
      EXPECT_LE(sample.blocks, s.cache_blocks);
      EXPECT_GE(sample.running, 0);
    }
  }
}

// Conversations whose cache does not fit the device find it on the host: more hits, never fewer.
TEST(simulated_run, host_memory_keeps_what_the_device_forgets) {
  const std::vector<std::string> crowded{
      "workload=[{traffic: agentic-tools}]", "load={kind: concurrency, concurrency: 400}",
      "candidates.dense.deployment.memory_utilisation=0.2", "slo.tpot=1 s", "slo.ttft=1000 s"};
  std::vector<std::string> with_host = crowded;
  with_host.push_back("simulation={host_cache: 400 GB, host_bandwidth: 50 GB/s}");
  const SimulatedResult small = *run(crowded).candidates[1].simulated;
  const SimulatedResult large = *run(with_host).candidates[1].simulated;
  EXPECT_GT(large.hit_rate.mean, small.hit_rate.mean + 0.02);
}

// The urgent class waits less for its first token than the other, whose requests are alike.
TEST(simulated_run, urgent_requests_go_first) {
  const RunResult result =
      run({"workload=[{name: urgent, priority: -1, input: 2000, output: 100, prefix_hit_rate: 0}, "
           "{name: patient, input: 2000, output: 100, prefix_hit_rate: 0}]",
           "load={kind: concurrency, concurrency: 1500}", "slo.tpot=10 s", "slo.ttft=1000 s"});
  const auto& classes = result.candidates[1].simulated->classes;
  ASSERT_EQ(classes.size(), 2u);
  EXPECT_LT(classes[0].ttft.mean.mean, 0.8 * classes[1].ttft.mean.mean);
}

// Promises are to users: a request of 2000 tokens takes 12 ms and 2000 times 5 us to reach vLLM's
// scheduler, so that 25 ms to the first token are never kept, and what the report says of a whole
// second is kept.
TEST(simulated_run, promises_count_from_when_the_client_sends) {
  const auto attained = [](const std::string& ttft) {
    const RunResult result = run(
        {"workload=[{name: short, input: 2000, output: 4, prefix_hit_rate: 0, slo: {ttft: " + ttft +
             "}}]",
         "load={kind: concurrency, concurrency: 1}"});
    EXPECT_GT(result.candidates[0].simulated->ttft.p50.mean, 0.026);
    return result.candidates[0].simulated->attained.mean;
  };
  EXPECT_EQ(attained("25 ms"), 0);
  EXPECT_EQ(attained("1 s"), 1);
}

TEST(simulated_run, an_impossible_target_is_reported_as_missed) {
  const RunResult result = run({"slo.tpot=1 ms"});
  EXPECT_EQ(result.cheapest, -1);
  for (const CandidateResult& c : result.candidates) {
    EXPECT_FALSE(c.meets_slo);
    EXPECT_NE(c.reason.find("TPOT"), std::string::npos) << c.reason;
  }
}

TEST(simulated_run, recorded_steps_are_kept_only_where_asked_for) {
  Library library(TOLLGATE_REPOSITORY "/models");
  Scenario s = parse_scenario(text, "simulated.yaml", {"simulation={recorded_steps: 20}"}, library);
  const auto& backend = kernels::find_backend("tbb");
  EXPECT_EQ(run_scenario(s, library, backend).candidates[0].simulated->recording, nullptr);
  s.simulation.record = true;
  const RunResult recorded = run_scenario(s, library, backend);
  ASSERT_NE(recorded.candidates[0].simulated->recording, nullptr);
  EXPECT_EQ(recorded.candidates[0].simulated->recording->replicas.at(0).steps.size(), 20u);
}

}  // namespace
}  // namespace tollgate
