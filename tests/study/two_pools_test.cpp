#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tbb/parallel_for.h>

#include <cmath>

#include "kernels/registry.h"
#include "sim/spec/scenario_schema.h"
#include "sim/study/closed_form_limits.h"
#include "sim/study/run.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Scenario parse(const std::string& candidate, const std::string& workload, const std::string& load,
               const std::string& more = "") {
  Library library(TOLLGATE_REPOSITORY "/models");
  return parse_scenario("schema_version: 1\nname: pools\nrouting: {layers: 2, tokens: 4096}\n" +
                            more + "load: " + load + "\nworkload:\n  - " + workload +
                            "\ncandidates:\n  - " + candidate + "\n",
                        "pools.yaml", {}, library);
}

CandidateResult run(const Scenario& scenario, bool strict = false) {
  Library library(TOLLGATE_REPOSITORY "/models");
  return run_scenario(scenario, library, kernels::find_backend("tbb"), strict).candidates.at(0);
}

std::string small_pools(int prefills, int decodes, const std::string& more = "") {
  return "{name: c, model: Llama-3.1-8B, hardware: H100-SXM, deployment: {tensor: 1, pipeline: 1, "
         "disaggregation: {prefill: {instances: " +
         std::to_string(prefills) + "}, decode: {instances: " + std::to_string(decodes) + "}" +
         more + "}}}";
}

constexpr const char* fixed_lengths = "{name: w, input: 1000, output: 101, prefix_hit_rate: 0}";

/// One user, lengths fixed: by hand ingest, a step of the prompt, the transfer, and a step of one
/// token, and both fidelities say so. 131,072 B of cache per token (2 x 8 x 128 x 32 x 2 B), with
/// half a block of 8 tokens, over the two GPUs' common NVLink of 450 GB/s and 2 us.
TEST(TwoPools, OneUserPassesOneStageAfterTheOther) {
  const CandidateResult c =
      run(parse(small_pools(1, 1), fixed_lengths, "{kind: concurrency, concurrency: 1}",
                "fidelity: simulated\nsimulation: {requests: 100}\n"));
  ASSERT_TRUE(c.disaggregation && c.simulated);
  const DisaggregationResult& d = *c.disaggregation;
  EXPECT_NEAR(d.bytes_per_prompt, 131072 * 1008.0, 1);
  EXPECT_NEAR(d.seconds_per_prompt, 2e-6 + 131072 * 1008.0 / 450e9, 1e-9);
  EXPECT_NEAR(d.sending, d.seconds_per_prompt, 1e-9);
  EXPECT_EQ(c.gpus, 2);
  const SimulatedResult& s = *c.simulated;
  EXPECT_NEAR(s.analytic_ttft, s.ttft.mean.mean, 0.01 * s.ttft.mean.mean);
  EXPECT_NEAR(s.analytic_tpot, s.tpot.mean.mean, 0.01 * s.tpot.mean.mean);
  EXPECT_NEAR(s.analytic_requests_per_second, s.requests_per_second.mean,
              0.01 * s.requests_per_second.mean);
}

/// A link that is too slow for everything else: throughput is its bandwidth over the bytes of a
/// prompt, for two senders and two receivers twice that of one.
TEST(TwoPools, ASlowLinkIsWhatLimits) {
  for (const int engines : {1, 2}) {
    const CandidateResult c =
        run(parse(small_pools(engines, engines, ", transfer: {bandwidth: 1 GB/s, latency: 0 s}"),
                  fixed_lengths, "{kind: concurrency, concurrency: 200}",
                  "fidelity: simulated\nsimulation: {requests: 4000}\n"));
    const DisaggregationResult& d = *c.disaggregation;
    const double by_hand = engines * 1e9 / (131072 * 1008.0);
    EXPECT_EQ(d.limiting, "link");
    EXPECT_NEAR(d.link_requests_per_second, by_hand, 1e-6 * by_hand);
    EXPECT_NEAR(c.simulated->analytic_requests_per_second, by_hand, 0.01 * by_hand);
    EXPECT_NEAR(c.simulated->requests_per_second.mean, by_hand, 0.05 * by_hand);
  }
}

/// The numbers of engines are those that serve a request per second with the fewest accelerators,
/// to 1 % and as far as each pool by itself tells.
TEST(TwoPools, PoolsMatchEachOther) {
  const Scenario s = parse(
      "{name: c, model: Llama-3.1-70B, hardware: H200-SXM, deployment: {weights: fp8, "
      "disaggregation: {most_instances: 8}}}",
      "{name: w, input: {kind: lognormal, mean: 3000, sigma: 0.6}, output: {kind: lognormal, mean: "
      "300, sigma: 0.6}, prefix_hit_rate: 0}",
      "{kind: saturate}", "slo: {ttft: 2 s, tpot: 40 ms}\n");
  const CandidateResult c = run(s);
  ASSERT_TRUE(c.meets_slo);
  const PoolResult &p = c.disaggregation->prefill, &d = c.disaggregation->decode;
  const double prefill = p.most_requests_per_second / p.instances,
               decode = d.most_requests_per_second / d.instances;
  EXPECT_EQ(c.disaggregation->limiting,
            p.most_requests_per_second < d.most_requests_per_second ? "prefill" : "decode");
  EXPECT_LE(c.requests_per_second.value,
            1.02 * std::min(p.most_requests_per_second, d.most_requests_per_second));
  EXPECT_LE(c.ttft.value, 2);
  EXPECT_LE(c.tpot.value, 0.040);
  const double chosen = c.gpus / std::min(p.instances * prefill, d.instances * decode);
  for (int i = 1; i <= 8; ++i) {
    for (int k = 1; k <= 8; ++k) {
      const double other = (i * p.gpus + k * d.gpus) / std::min(i * prefill, k * decode);
      // What a prefill engine carries within the target depends a little on how many share.
      EXPECT_GE(other, 0.95 * chosen) << i << " " << k;
    }
  }
  EXPECT_LT(c.usd_per_million_output_tokens.low, c.usd_per_million_output_tokens.value);
  EXPECT_GT(c.usd_per_million_output_tokens.high, c.usd_per_million_output_tokens.value);
}

/// The bill follows the accelerators: what prompts cost is the prefill pool's share.
TEST(TwoPools, CostIsThatOfBothPools) {
  const CandidateResult c =
      run(parse(small_pools(1, 3), fixed_lengths, "{kind: saturate}", "slo: {tpot: 30 ms}\n"));
  ASSERT_TRUE(c.meets_slo);
  EXPECT_EQ(c.gpus, 4);
  const double output = c.requests_per_second.value * 101;
  EXPECT_NEAR(c.gpu_hours_per_million_output_tokens.value, 4e6 / output / 3600, 1e-9);
  const auto of = [&](const std::string& name) {
    for (const ClassCost& k : c.cost.classes) {
      if (k.name == name) return k.gpu_hours.value * k.tokens;
    }
    return 0.0;
  };
  EXPECT_NEAR(of("input") / (of("input") + of("output")), 0.25, 1e-9);
}

TEST(TwoPools, AModelThatDoesNotFitIntoAPoolSaysWhichOne) {
  const auto candidate = [](const std::string& pool) {
    return "{name: c, model: Llama-3.1-70B, hardware: H100-SXM, deployment: {disaggregation: {" +
           pool + ": {gpus: 1}}}}";
  };
  for (const std::string pool : {"prefill", "decode"}) {
    const CandidateResult c = run(parse(candidate(pool), fixed_lengths, "{kind: saturate}"));
    EXPECT_FALSE(c.fits);
    EXPECT_THAT(c.reason, StartsWith(pool + " pool: on 1 x H100-SXM weights, workspace and "));
  }
  const CandidateResult c =
      run(parse("{name: c, model: Llama-3.1-8B, hardware: H100-SXM, deployment: {disaggregation: "
                "{decode: {gpus: 3, tensor: 2}}}}",
                fixed_lengths, "{kind: saturate}"));
  EXPECT_FALSE(c.fits);
  EXPECT_THAT(c.reason, StartsWith("decode pool: no deployment agrees with the sizes given"));
}

/// Curves are those of both pools: where one stands in, strict refuses, as it does for one engine.
TEST(TwoPools, StrictHolds) {
  const auto candidate = [](const char* hardware) {
    return std::string("{name: c, model: Llama-3.1-8B, hardware: ") + hardware +
           ", deployment: {tensor: 1, pipeline: 1, disaggregation: auto}}";
  };
  EXPECT_TRUE(run(parse(candidate("H100-SXM"), fixed_lengths, "{kind: saturate}"), true).fits);
  try {
    run(parse(candidate("H200-SXM"), fixed_lengths, "{kind: saturate}"), true);
    ADD_FAILURE() << "no curve stands in";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("not measured on H200-SXM"));
  }
}

struct Cell {
  std::string where;
  double throughput = 1, tpot = 1, noise = 0;
  ClosedFormCaveat caveat;
};

Cell compare(const std::string& engine, const std::string& sizes, const std::string& workload,
             int users, int prefills, int decodes) {
  const Scenario s =
      parse("{name: c, " + sizes +
                ", pipeline: 1, disaggregation: {prefill: {instances: " + std::to_string(prefills) +
                "}, decode: {instances: " + std::to_string(decodes) + "}}}}",
            workload, "{kind: concurrency, concurrency: " + std::to_string(users) + "}",
            "fidelity: simulated\nengine: " + engine + "\nsimulation: {timeline: 0, requests: " +
                std::to_string(std::max(6000, 20 * users)) + "}\n");
  const CandidateResult c = run(s);
  const SimulatedResult& r = *c.simulated;
  const DisaggregationResult& d = *c.disaggregation;
  Deployment prefill, decode;
  prefill.data_attention = d.prefill.data_attention;
  decode.data_attention = d.decode.data_attention;
  return {engine + " " + c.model + " " + s.workload[0].name + " " + std::to_string(users) + " " +
              std::to_string(prefills) + ":" + std::to_string(decodes),
          r.analytic_requests_per_second / r.requests_per_second.mean,
          r.analytic_tpot / r.tpot.mean.mean,
          std::hypot(r.output_tokens_per_second.half_width / r.output_tokens_per_second.mean,
                     r.tpot.mean.half_width / r.tpot.mean.mean),
          two_pools_caveat(s, s.candidates[0], prefill, decode, summarise(s.workload),
                           d.decode.sequences / d.decode.largest_batch.value, r.analytic_ttft)};
}

/// Closed loops of three draws, where memory is not full: throughput and TPOT to 5 % and the
/// simulation's own 95 % interval, or what the report says.
TEST(TwoPools, FidelitiesAgreeWithinFivePercentOrSaySo) {
  const std::string dense =
                        "model: Llama-3.1-8B, hardware: H100-SXM, deployment: {tensor: 1, "
                        "data_attention: 1",
                    mixture =
                        "model: gpt-oss-120b, hardware: B200-SXM, deployment: {tensor: 2, "
                        "data_attention: 1, expert: 1",
                    groups =
                        "model: MiniMax-M2.5, hardware: H200-SXM, deployment: {tensor: 1, "
                        "data_attention: 8, expert: 8";
  const std::string chat =
                        "{name: chat, prefix_hit_rate: 0, input: {kind: lognormal, mean: 300, "
                        "sigma: 0.8}, output: {kind: lognormal, mean: 300, sigma: 0.7}}",
                    documents =
                        "{name: documents, prefix_hit_rate: 0, input: {kind: lognormal, "
                        "mean: 8000, sigma: 0.5}, output: {kind: lognormal, mean: 200, "
                        "sigma: 0.5}}";
  struct Ask {
    std::string engine, sizes, workload;
    int users, prefills, decodes;
  };
  std::vector<Ask> asks;
  for (const char* engine : {"vllm", "sglang"}) {
    for (const std::string& workload : {chat, documents}) {
      for (const auto& [p, d] : {std::pair{1, 1}, std::pair{2, 1}, std::pair{1, 3}}) {
        for (const std::string& sizes : {dense, mixture}) {
          for (const int users : {8, 64, 200})
            asks.push_back({engine, sizes, workload, users, p, d});
        }
        asks.push_back({engine, groups, workload, 200, p, d});
      }
    }
  }
  std::vector<Cell> cells(asks.size());
  tbb::parallel_for(std::size_t{0}, asks.size(), [&](std::size_t i) {
    const Ask& a = asks[i];
    cells[i] = compare(a.engine, a.sizes, a.workload, a.users, a.prefills, a.decodes);
  });
  int held = 0;
  for (const Cell& c : cells) {
    SCOPED_TRACE(c.where);
    if (c.caveat.within == 0) continue;
    EXPECT_LT(c.noise, 0.08);
    EXPECT_NEAR(c.throughput, 1, c.caveat.within + c.noise);
    EXPECT_NEAR(c.tpot, 1, c.caveat.within + c.noise);
    held += c.caveat.sentence.empty();
  }
  EXPECT_GE(held, 40);
}

/// What one of the pools carries under a TTFT target hangs on queues that are known roughly:
/// between a half and twice what the simulation finds, where the target is tight. The report says
/// so, and where it does not, the two agree within 5 % and the 1 % to which the number of users is
/// searched.
TEST(TwoPools, UnderATightTtftTheyAgreeOrSaySo) {
  struct Ask {
    const char* engine;
    double hit;
    int ttft;  // ms
  };
  std::vector<Ask> asks;
  for (const char* engine : {"vllm", "sglang"}) {
    for (const double hit : {0.0, 0.5625, 0.9}) {
      for (const int ttft : {3000, 200, 120}) asks.push_back({engine, hit, ttft});
    }
  }
  struct Found {
    double throughput = 1, noise = 0;
    std::string said;
    bool compared = false;
  };
  std::vector<Found> found(asks.size());
  tbb::parallel_for(std::size_t{0}, asks.size(), [&](std::size_t i) {
    const std::string rest =
        "{name: w, input: {kind: lognormal, mean: 4383, sigma: 1}, output: {kind: lognormal, mean: "
        "600, sigma: 1}, prefix_hit_rate: " +
        std::to_string(asks[i].hit) + "}";
    const auto ask = [&](const std::string& fidelity) {
      return parse(
          "{name: c, model: Llama-3.1-8B, hardware: H200-SXM, deployment: {tensor: 1, "
          "pipeline: 1, data_attention: 1, disaggregation: {most_instances: 4}}}",
          rest, "{kind: saturate}",
          "fidelity: " + fidelity + "\nengine: " + asks[i].engine +
              "\nslo: {tpot: 30 ms, ttft: " + std::to_string(asks[i].ttft) + " ms}\n");
    };
    const CandidateResult closed = run(ask("analytic"));
    if (!closed.meets_slo) return;
    const SimulatedResult r = *run(ask("simulated")).simulated;
    found[i] = {r.analytic_requests_per_second / r.requests_per_second.mean,
                r.output_tokens_per_second.half_width / r.output_tokens_per_second.mean + 0.01,
                {},
                true};
    for (const std::string& a : closed.assumptions) {
      if (a.find("`fidelity: simulated`") != std::string::npos) found[i].said = a;
    }
  });
  int told = 0, silent = 0;
  for (std::size_t i = 0; i < asks.size(); ++i) {
    SCOPED_TRACE(std::string(asks[i].engine) + " " + std::to_string(asks[i].hit) + " " +
                 std::to_string(asks[i].ttft));
    const Found& f = found[i];
    if (!f.compared) continue;
    const bool off = std::fabs(f.throughput - 1) > 0.05 + f.noise;
    EXPECT_FALSE(off && f.said.empty()) << f.throughput;
    told += off && f.said.find("TTFT is near its target") == 0;
    silent += f.said.empty();
  }
  EXPECT_GE(told, 4);
  EXPECT_GE(silent, 3);
}

/// The ends of the band choose engines for the step times there: never dearer than with the engines
/// of the middle, and not ten times the middle because 3 and 7 of them match there no longer.
TEST(TwoPools, EndsOfTheBandMatchTheirOwnEngines) {
  const auto cost = [](const std::string& pools) {
    return run(
        parse("{name: c, model: DeepSeek-V3.2, hardware: H200-SXM, deployment: "
              "{disaggregation: " +
                  pools + "}}",
              "{name: w, input: {kind: lognormal, mean: 4383, sigma: 1}, output: {kind: "
              "lognormal, mean: 1211, sigma: 1}, prefix_hit_rate: 0.5625}",
              "{kind: saturate}", "slo: {ttft: 2 s, tpot: 50 ms}\n"));
  };
  const CandidateResult free = cost("auto");
  const PoolResult &p = free.disaggregation->prefill, &d = free.disaggregation->decode;
  const auto sizes = [](const PoolResult& r) {
    return "{tensor: " + std::to_string(r.tensor) + ", pipeline: " + std::to_string(r.pipeline) +
           ", expert: " + std::to_string(r.expert) +
           ", data_attention: " + std::to_string(r.data_attention) +
           ", instances: " + std::to_string(r.instances) + "}";
  };
  const CandidateResult pinned = cost("{prefill: " + sizes(p) + ", decode: " + sizes(d) + "}");
  const Estimate &f = free.usd_per_million_output_tokens, &b = pinned.usd_per_million_output_tokens;
  EXPECT_NEAR(f.value, b.value, 1e-9 * b.value);
  EXPECT_LT(f.high, 0.9 * b.high);
  EXPECT_LE(f.low, b.low);
  EXPECT_LT(f.high, 5 * f.value);
}

}  // namespace
}  // namespace tollgate
