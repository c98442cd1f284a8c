#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "captured_run.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;
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
  const Json json = route({"--experts", "64", "--top-k", "1", "--popularity", "uniform", "--batch",
                           "32", "--ranks", "1", "--layers", "8", "--tokens", "65536"});
  // 32 balls in 64 boxes: 64 (1 - (63/64)^32) = 25.34 occupied, standard deviation 2.0 per sample
  // (occupancy variance), 16,384 samples: 5 sigma of the mean is 0.08.
  EXPECT_EQ(json["batches"][0]["samples"], 16384);
  EXPECT_NEAR(json["batches"][0]["mean_distinct_experts"].get<double>(), 25.337, 0.08);
  EXPECT_EQ(json["batches"][0]["ranks"][0]["busiest_over_mean"], 1);
}

TEST(Route, SkewMakesTheBusiestRankBusier) {
  const std::vector<std::string> base{"--experts", "64",  "--top-k", "4",
                                      "--batch",   "256", "--ranks", "8"};
  auto uniform = base, skewed = base;
  uniform.insert(uniform.end(), {"--popularity", "uniform"});
  skewed.insert(skewed.end(), {"--popularity", "lognormal", "--sigma", "1"});
  const auto ratio = [](const Json& json) {
    return json["batches"][0]["ranks"][0]["busiest_over_mean"].get<double>();
  };
  EXPECT_GT(ratio(route(skewed)), 1.2 * ratio(route(uniform)));
}

TEST(Route, TakesTheGateOfAModel) {
  const Json json = route({"--model", "DeepSeek-V3", "--batch", "64", "--ranks", "8,16"});
  EXPECT_EQ(json["experts"], 256);
  EXPECT_EQ(json["top_k"], 8);
  EXPECT_EQ(json["groups"], 8);
  EXPECT_EQ(json["groups_kept"], 4);
  ASSERT_EQ(json["traffic"].size(), 2u);
  // Half of the eight groups take part, so no token goes to more than four of eight ranks.
  EXPECT_LE(json["traffic"][0]["mean_ranks_per_token"].get<double>(), 4);
}

TEST(Route, PlannedPlacementRepairsMostOfTheImbalance) {
  const Json json = route({"--model", "DeepSeek-V3", "--tokens", "4096", "--layers", "4", "--ranks",
                           "32", "--batch", "2048", "--eplb", "32"});
  ASSERT_EQ(json["eplb"].size(), 1u);
  const Json& row = json["eplb"][0];
  EXPECT_EQ(row["slots"], 288);
  const auto over = [&](const char* which) {
    return row[which]["busiest_over_mean"].get<double>();
  };
  EXPECT_GT(over("contiguous"), 1.2);
  EXPECT_LT(over("planned") - 1, 0.6 * (over("contiguous") - 1));
  EXPECT_LE(over("fresh"), over("planned") * 1.02);
}

TEST(Route, BackendsAndThreadsAgree) {
  const std::vector<std::string> base{"--model", "OLMoE-1B-7B", "--tokens",
                                      "2048",    "--layers",    "2"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), base.begin(), base.end());
    Json json = route(more);
    return json;
  };
  const Json reference = with({"--backend", "reference"});
  EXPECT_EQ(with({"--backend", "tbb", "--threads", "1"}), reference);
  EXPECT_EQ(with({"--backend", "tbb", "--threads", "4"}), reference);
  EXPECT_NE(with({"--backend", "tbb", "--seed", "2"}), reference);
}

TEST(Route, MistakesAreSentences) {
  EXPECT_THAT(run({"route", "--experts", "8", "--top-k", "9"}).err, HasSubstr("top_k is 9"));
  EXPECT_THAT(run({"route", "--experts", "8", "--popularity", "lognormal"}).err,
              HasSubstr("--sigma"));
  EXPECT_THAT(run({"route", "--experts", "8", "--sigma", "1"}).err,
              HasSubstr("--popularity lognormal"));
  EXPECT_THAT(run({"route", "--model", "Llama-3.1-8B"}).err, HasSubstr("has no expert layers"));
  EXPECT_THAT(run({"route", "--model", "DeepSeek-V3", "--layer-kind", "x"}).err,
              HasSubstr("it has moe"));
  EXPECT_THAT(run({"route", "--experts", "8", "--tokens", "16"}).err, HasSubstr("batch"));
}

}  // namespace
}  // namespace tollgate
