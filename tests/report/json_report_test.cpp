#include "sim/report/json_report.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "sample_result.h"
#include "sim/report/version.h"

namespace tollgate {
namespace {

using Json = nlohmann::json;

TEST(JsonReport, HasEveryKeyOfTheFormat) {
  const Json json = Json::parse(json_report(sample::result()));
  for (const char* key : {"format_version", "tool_version", "inputs_digest", "scenario", "question",
                          "workload", "load", "slo", "cheapest", "candidates"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["format_version"], run_format_version);
  EXPECT_EQ(json["cheapest"], "Sparse-671B");
  ASSERT_EQ(json["candidates"].size(), 3u);
  for (const char* key : {"name",
                          "model",
                          "hardware",
                          "fits",
                          "meets_slo",
                          "reason",
                          "limited_by",
                          "deployment",
                          "memory",
                          "largest_batch",
                          "batch",
                          "throughput",
                          "latency",
                          "bound",
                          "operators",
                          "routing",
                          "steps",
                          "gpu_hours_per_million_output_tokens",
                          "usd_per_million_output_tokens",
                          "usd_per_million_tokens",
                          "price",
                          "assumptions"}) {
    for (const Json& candidate : json["candidates"]) EXPECT_TRUE(candidate.contains(key)) << key;
  }
}

TEST(JsonReport, RoutingHasBothPhasesAndTheirLinks) {
  RunResult result = sample::result();
  for (CandidateResult& c : result.candidates) {
    if (c.routing.empty()) continue;
    c.routing[0].decode = sample::phase(512);
    c.decode_step = {0.04, 0.039, 0.043};
    c.prefill_step = {0.08, 0.079, 0.085};
  }
  bool found = false;
  const Json json = Json::parse(json_report(result));
  for (const Json& c : json["candidates"]) {
    if (c["routing"].empty()) {
      EXPECT_TRUE(c["steps"].is_null());
      continue;
    }
    found = true;
    const Json& phase = c["routing"][0]["decode"];
    EXPECT_EQ(phase["busiest_rank_p95"], 1.4);
    EXPECT_EQ(phase["busiest_network_card"]["p95"], 23e6);
    EXPECT_EQ(phase["busiest_network_card"]["unit"], "B");
    EXPECT_TRUE(phase["busiest_scale_up_link"].is_null()) << "nothing crosses it";
    EXPECT_TRUE(c["routing"][0]["prefill"].is_null()) << "no prompts";
    EXPECT_EQ(c["steps"]["decode"]["p95"], 0.043);
  }
  EXPECT_TRUE(found);
}

TEST(JsonReport, AnEstimateCarriesBandUnitAndProvenance) {
  const Json json = Json::parse(json_report(sample::result()));
  const Json usd = json["candidates"][2]["usd_per_million_output_tokens"];
  EXPECT_EQ(usd["value"], 0.5);
  EXPECT_EQ(usd["low"], 0.4);
  EXPECT_EQ(usd["high"], 0.625);
  EXPECT_EQ(usd["unit"], "USD");
  EXPECT_EQ(usd["provenance"], "fitted");
  EXPECT_EQ(json["candidates"][2]["price"]["date"], "2026-10");
}

TEST(JsonReport, ACandidateThatDoesNotFitHasNullsAndAReason) {
  const Json candidate = Json::parse(json_report(sample::result()))["candidates"][1];
  EXPECT_FALSE(candidate["fits"]);
  EXPECT_FALSE(candidate["reason"].get<std::string>().empty());
  for (const char* key : {"batch", "largest_batch", "bound", "usd_per_million_output_tokens",
                          "usd_per_million_tokens", "gpu_hours_per_million_output_tokens"}) {
    EXPECT_TRUE(candidate[key].is_null()) << key;
  }
  EXPECT_TRUE(candidate["latency"]["tpot"].is_null());
  EXPECT_EQ(candidate["memory"]["weights"]["value"], 88e9);
}

void expect_no_bad_number(const Json& json) {
  if (json.is_number()) {
    EXPECT_GE(json.get<double>(), 0);
  }
  if (json.is_structured()) {
    for (const Json& child : json) expect_no_bad_number(child);
  }
}

TEST(JsonReport, BadNumbersBecomeNull) {
  RunResult result = sample::result();
  CandidateResult& c = result.candidates[0];
  c.ttft.value = std::numeric_limits<double>::quiet_NaN();
  c.end_to_end.high = std::numeric_limits<double>::infinity();
  c.memory.free = exactly(-5);
  c.decode_bound.hbm = -1;
  const Json json = Json::parse(json_report(result));
  expect_no_bad_number(json);
  EXPECT_TRUE(json["candidates"][0]["latency"]["ttft"].is_null());
  EXPECT_TRUE(json["candidates"][0]["latency"]["end_to_end"].is_null());
  EXPECT_TRUE(json["candidates"][0]["memory"]["free"].is_null());
  EXPECT_TRUE(json["candidates"][0]["bound"]["decode"]["shares"]["hbm"].is_null());
  EXPECT_FALSE(json["candidates"][0]["latency"]["tpot"].is_null());
}

TEST(JsonReport, TextThatIsNotUtf8DoesNotStopIt) {
  RunResult result = sample::result();
  result.question = "\xff\xfe";
  EXPECT_TRUE(Json::accept(json_report(result)));
}

TEST(JsonReport, NumbersReadBackExactly) {
  RunResult result = sample::result();
  const double third = 1.0 / 3;
  result.candidates[0].tpot = exactly(third);
  const Json json = Json::parse(json_report(result));
  EXPECT_EQ(json["candidates"][0]["latency"]["tpot"]["value"].get<double>(), third);
}

}  // namespace
}  // namespace tollgate
