#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "captured_run.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;
using testing_cli::Folder;
using testing_cli::read;
using testing_cli::run;
using Json = nlohmann::json;

Json route(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "route");
  arguments.insert(arguments.end(), {"--format", "json"});
  const auto r = run(arguments);
  EXPECT_EQ(r.code, 0) << r.err;
  return Json::parse(r.out);
}

TEST(Route, UniformRoutingTouchesTheExpectedNumberOfExperts) {
  const Json json = route({"--experts", "64", "--top-k", "1", "--popularity", "uniform", "--tokens",
                           "32", "--ranks", "1", "--layers", "8", "--steps", "2048"});
  // 32 balls in 64 boxes: 64 (1 - (63/64)^32) = 25.34 occupied, standard deviation 2.0 per sample
  // (occupancy variance); 256 steps of 8 layers are looked at: 5 sigma of the mean is 0.22.
  const Json& row = json["results"][0];
  EXPECT_EQ(row["samples"], 2048);
  EXPECT_NEAR(row["distinct_experts"]["mean"].get<double>(), 25.337, 0.22);
  EXPECT_EQ(row["busiest_rank_over_mean"]["max"], 1);
  EXPECT_FALSE(row.contains("eplb"));
}

TEST(Route, CapacityDropsWhatOverflows) {
  const Json json =
      route({"--experts", "64", "--top-k", "1", "--popularity", "uniform", "--tokens", "64",
             "--ranks", "1", "--layers", "8", "--steps", "256", "--capacity", "1"});
  // 64 tokens on 64 experts that take one each: an expert is empty with (63/64)^64 = 0.365, and as
  // many tokens overflow. Standard deviation of a sample 0.038 (occupancy variance / 64); 2048
  // samples: 5 sigma of the mean is 0.0042.
  const Json& row = json["capacity"]["results"][0];
  EXPECT_EQ(row["tokens_per_expert"]["max"], 1);
  EXPECT_NEAR(row["dropped_share"]["mean"].get<double>(), 0.3650, 0.0042);
  EXPECT_EQ(row["dropped_share"]["mean"], row["unserved_share"]["mean"])
      << "top-1: dropped is lost";
}

TEST(Route, GroupsCanBeValuedByTheirTwoBest) {
  const std::vector<std::string> base{"--experts",     "64", "--top-k",  "4",   "--groups", "8",
                                      "--groups-kept", "2",  "--tokens", "256", "--ranks",  "8",
                                      "--layers",      "2",  "--steps",  "8"};
  auto best = base, two = base;
  best.insert(best.end(), {"--group-value", "best"});
  two.insert(two.end(), {"--group-value", "top2"});
  EXPECT_NE(route(best)["results"][0]["busiest_rank_rows"],
            route(two)["results"][0]["busiest_rank_rows"]);
}

TEST(Route, CountsOfZeroExpertsAreKeptInADump) {
  const Folder folder;
  const std::string file = folder.path("counts.csv");
  const std::vector<std::string> ask{"LongCat-Flash", "--tokens", "512", "--layers", "2",
                                     "--steps",       "8"};
  auto dump = ask, replay = ask;
  dump.insert(dump.end(), {"--dump", file});
  replay.insert(replay.end(), {"--trace", file});
  const auto rows = [](const Json& json) {
    return json["results"][0]["busiest_rank_rows"]["mean"].get<double>();
  };
  // 512 x 12 choices, two thirds of them on experts with weights, over 8 ranks: 512 rows on
  // average.
  const double first = rows(route(dump)), again = rows(route(replay));
  EXPECT_NEAR(again / first, 1, 0.05);
}

TEST(Route, LayersThatGoByTokenIdRefuseAPopularity) {
  const auto r = run({"route", "DeepSeek-V4-Flash", "--layer-kind", "moe_hash", "--trace", "x"});
  EXPECT_EQ(r.code, 2);
  EXPECT_THAT(r.err, HasSubstr("chooses experts by token id; --trace does not apply."));
}

TEST(Route, SkewMakesTheBusiestRankBusier) {
  const std::vector<std::string> base{"--experts", "64",  "--top-k", "4",
                                      "--tokens",  "256", "--ranks", "8"};
  auto uniform = base, skewed = base;
  uniform.insert(uniform.end(), {"--popularity", "uniform"});
  skewed.insert(skewed.end(), {"--popularity", "lognormal", "--sigma", "1"});
  const auto ratio = [](const Json& json) {
    return json["results"][0]["busiest_rank_over_mean"]["mean"].get<double>();
  };
  EXPECT_GT(ratio(route(skewed)), 1.2 * ratio(route(uniform)));
}

TEST(Route, DistributionsAreInOrder) {
  const Json json = route(
      {"DeepSeek-V3", "--tokens", "64,512", "--ranks", "8,32", "--layers", "4", "--steps", "16"});
  ASSERT_EQ(json["results"].size(), 4u);
  for (const Json& row : json["results"]) {
    const Json& d = row["busiest_rank_over_mean"];
    EXPECT_GE(d["mean"], 1);
    EXPECT_LE(d["p50"], d["p95"]);
    EXPECT_LE(d["p95"], d["max"]);
    EXPECT_EQ(row["layers"].size(), 4u);
    EXPECT_LE(row["step_busiest_rank_over_mean"]["p95"], d["max"]);
  }
}

TEST(Route, TakesTheGateOfAModelAndCountsItsBytes) {
  const Json json = route({"DeepSeek-V3", "--tokens", "128", "--ranks", "8,64", "--layers", "2"});
  EXPECT_EQ(json["experts"], 256);
  EXPECT_EQ(json["top_k"], 8);
  EXPECT_EQ(json["groups"], 8);
  EXPECT_EQ(json["groups_kept"], 4);
  EXPECT_EQ(json["popularity"]["confidence"], "scaled");
  // Node-limited: a group of experts fills a node of 64 ranks, so four nodes at most.
  const Json& far = json["results"][1]["traffic"];
  EXPECT_EQ(far["most_nodes_of_a_token"], 4);
  EXPECT_EQ(far["dispatch"]["row_bytes"], 7168 + 56 * 4 + 16);
  EXPECT_EQ(far["combine"]["row_bytes"], 2 * 7168);
  EXPECT_GT(far["dispatch"]["busiest_network_card"]["p95"], 0);
  EXPECT_EQ(json["results"][0]["traffic"]["dispatch"]["busiest_network_card"]["max"], 0);
}

TEST(Route, PhasesDiffer) {
  const std::vector<std::string> base{"DeepSeek-V3", "--tokens", "4096",    "--ranks", "32",
                                      "--layers",    "4",        "--steps", "4"};
  auto prompts = base;
  prompts.insert(prompts.end(), {"--phase", "prefill", "--prompt", "2048"});
  const Json decode = route(base), prefill = route(prompts);
  const auto row = [](const Json& json) { return json["results"][0]; };
  // Two requests instead of 4096 make the domains and topics of a step fewer.
  EXPECT_GT(row(prefill)["busiest_rank_over_mean"]["mean"].get<double>(),
            row(decode)["busiest_rank_over_mean"]["mean"].get<double>());
  // Prompts cross the network once per node, decode tokens once per choice.
  EXPECT_LT(row(prefill)["traffic"]["rows"]["network_total"]["mean"].get<double>(),
            row(decode)["traffic"]["rows"]["network_total"]["mean"].get<double>());
}

TEST(Route, PlannedPlacementRepairsMostOfTheImbalance) {
  const std::vector<std::string> base{
      "DeepSeek-V3", "--tokens", "2048",        "--layers", "4",       "--ranks", "32",
      "--redundant", "32",       "--placement", "eplb",     "--steps", "2"};
  const auto repair = [](const Json& json) { return json["results"][0]["eplb"]; };
  const auto over = [](const Json& row, const char* which) {
    return row[which]["busiest_over_mean"]["mean"].get<double>();
  };
  const Json json = route(base);
  const Json row = repair(json);
  EXPECT_EQ(row["slots"], 288);
  EXPECT_GT(over(row, "contiguous"), 1.2);
  EXPECT_LT(over(row, "planned") - 1, 0.6 * (over(row, "contiguous") - 1));
  EXPECT_LE(over(row, "fresh"), over(row, "planned") * 1.02);
  // The table of loads is of the plan asked for.
  EXPECT_EQ(json["results"][0]["busiest_rank_over_mean"]["mean"], over(row, "planned"));
  // A plan for the mix, serving one domain, repairs less than one for that domain.
  auto fitting = base, stale = base;
  fitting.insert(fitting.end(), {"--domains", "1"});
  stale.insert(stale.end(), {"--domains", "1", "--plan-domains", "4"});
  EXPECT_GT(over(repair(route(stale)), "planned"), 1.1 * over(repair(route(fitting)), "planned"));
}

TEST(Route, DumpedCountsReadBack) {
  const Folder folder;
  const std::string dump = folder.path("counts.csv");
  const std::vector<std::string> base{"OLMoE-1B-7B", "--tokens", "2048", "--layers",
                                      "3",           "--steps",  "8"};
  auto write = base, read_back = base;
  write.insert(write.end(), {"--dump", dump});
  read_back.insert(read_back.end(), {"--trace", dump});
  const Json drawn = route(write), replayed = route(read_back);
  EXPECT_EQ(read(dump).substr(0, 35), "layer_id,expert_id,activation_count");
  EXPECT_EQ(replayed["layers"], 3);
  // Counts are drawn again: the fullest expert of each layer is as full, to 5 % (16,384 tokens, a
  // share of some 5 %: sigma 3 %, and its draw without replacement is approximated).
  for (int layer = 0; layer < 3; ++layer) {
    const auto hottest = [&](const Json& json) {
      return json["results"][0]["layers"][layer]["hottest_expert_over_mean"].get<double>();
    };
    EXPECT_NEAR(hottest(replayed) / hottest(drawn), 1, 0.08) << layer;
  }
}

TEST(Route, PlansKeepToNodesOrNot) {
  const auto nodes = [](const char* mode) {
    const Json json =
        route({"DeepSeek-V3", "--tokens", "1024", "--ranks", "64", "--layers", "2", "--steps", "4",
               "--placement", "eplb", "--redundant", "64", "--eplb-mode", mode});
    return json["results"][0]["traffic"]["mean_nodes_per_token"].get<double>();
  };
  // The gate keeps to four groups; where each has a node of its own, tokens go to four nodes.
  EXPECT_LE(nodes("hierarchical"), 4);
  EXPECT_EQ(nodes("auto"), nodes("hierarchical"));
  EXPECT_GT(nodes("global"), 4);
  EXPECT_THAT(run({"route", "OLMoE-1B-7B", "--ranks", "16", "--eplb-mode", "hierarchical"}).err,
              HasSubstr("groups"));
}

TEST(Route, RunTakesTheSameRecordings) {
  const Folder folder;
  route({"OLMoE-1B-7B", "--tokens", "1024", "--layers", "3", "--popularity", "lognormal", "--sigma",
         "1.5", "--dump", folder.path("counts.csv")});
  const std::string scenario = folder.write(
      "recorded.yaml",
      "schema_version: 1\nname: recorded\ncandidates:\n"
      "  - {name: recorded, model: OLMoE-1B-7B, hardware: H100-SXM,"
      " routing: {popularity: trace, trace: counts.csv}}\n"
      "  - {name: even, model: OLMoE-1B-7B, hardware: H100-SXM, routing: {popularity: uniform}}\n"
      "deployment: {gpus: 8, tensor: 1, pipeline: 1, expert: 8, data_attention: 8}\n"
      "workload:\n  - {name: chat, input: 500, output: 200, prefix_hit_rate: 0}\n"
      "load: {kind: concurrency, concurrency: 256}\nslo: {ttft: 5 s, tpot: 500 ms}\n");
  const auto answer = [&] {
    const auto r = run({"run", scenario, "--format", "json"});
    EXPECT_EQ(r.code, 0) << r.err;
    return Json::parse(r.out);
  };
  const Json json = answer();
  const auto ratio = [&](std::size_t i) {
    return json["candidates"][i]["routing"][0]["decode"]["busiest_rank_mean"].get<double>();
  };
  EXPECT_GT(ratio(0), 1.3 * ratio(1));
  folder.write("counts.csv",
               "layer_id,expert_id,activation_count\n0,0,5\n0,1,5\n0,2,5\n0,3,5\n"
               "0,4,5\n0,5,5\n0,6,5\n0,7,5\n0,8,1\n");
  EXPECT_NE(answer()["inputs_digest"], json["inputs_digest"]) << "a recording is an input";
}

TEST(Route, EveryPopularityAndFormDraws) {
  const std::vector<std::vector<std::string>> sources{
      {"--popularity", "zipf", "--exponent", "1"},
      {"--popularity", "power_law", "--exponent", "1.2"},
      {"--form", "alias"},
      {"--form", "alias", "--stickiness", "0.5", "--phase", "prefill"},
      {"--form", "alias", "--popularity", "zipf", "--exponent", "1"}};
  for (auto source : sources) {
    source.insert(source.begin(), {"OLMoE-1B-7B", "--tokens", "256", "--layers", "2"});
    EXPECT_GT(route(source)["results"][0]["busiest_rank_over_mean"]["mean"].get<double>(), 1.05)
        << source.back();
  }
}

TEST(Route, BackendsAndThreadsAgree) {
  const std::vector<std::string> base{"OLMoE-1B-7B", "--steps",  "4", "--tokens",
                                      "512",         "--layers", "2"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), base.begin(), base.end());
    return route(more);
  };
  const Json reference = with({"--backend", "reference"});
  EXPECT_EQ(with({"--backend", "tbb", "--threads", "1"}), reference);
  EXPECT_EQ(with({"--backend", "tbb", "--threads", "4"}), reference);
  EXPECT_NE(with({"--backend", "tbb", "--seed", "2"}), reference);
}

TEST(Route, TextShowsEveryTable) {
  const auto r = run({"route", "DeepSeek-V3", "--tokens", "128", "--ranks", "16", "--layers", "2"});
  ASSERT_EQ(r.code, 0) << r.err;
  for (const char* part : {"family deepseek-v3 (scaled)", "busiest rank over mean", "step P95",
                           "busiest network card", "what EPLB repairs", "layer by layer"}) {
    EXPECT_THAT(r.out, HasSubstr(part));
  }
}

TEST(Route, MistakesAreSentences) {
  EXPECT_THAT(run({"route", "--experts", "8", "--popularity", "lognormal"}).err,
              HasSubstr("--sigma"));
  EXPECT_THAT(run({"route", "--experts", "8", "--sigma", "1"}).err,
              HasSubstr("--popularity lognormal"));
  EXPECT_THAT(run({"route", "Llama-3.1-8B"}).err, HasSubstr("has no expert layers"));
  EXPECT_THAT(run({"route", "DeepSeek-V3", "--layer-kind", "x"}).err, HasSubstr("it has moe"));
}

TEST(Route, BadTracesAreSentences) {
  const Folder folder;
  const auto trace = [&](const char* content) {
    const std::string path = folder.path("counts.csv");
    std::ofstream(path) << content;
    const auto r = run({"route", "--experts", "8", "--top-k", "2", "--trace", path});
    EXPECT_EQ(r.code, 2) << content;
    EXPECT_EQ(r.out, "");
    EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
    return r.err;
  };
  const std::string header = "layer_id,expert_id,activation_count\n";
  trace("");
  trace(header.c_str());
  EXPECT_THAT(trace((header + "0,0,0\n0,1,0\n").c_str()), HasSubstr("no activations"));
  EXPECT_THAT(trace((header + "0,9,5\n").c_str()), HasSubstr("expert 9"));
  trace((header + "0,0,nan\n").c_str());
  trace((header + "0,0,-1\n").c_str());
  EXPECT_EQ(run({"route", "--experts", "8", "--trace", "/nowhere"}).code, 2);
}

}  // namespace
}  // namespace tollgate
