#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "captured_run.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing_cli::Folder;
using testing_cli::read;
using testing_cli::repository;
using testing_cli::run;
using Json = nlohmann::json;

const std::string small = repository("tests/fixtures/small.yaml");
const std::string mixed = repository("tests/fixtures/mixed.yaml");

void expect_no_bad_number(const Json& json) {
  if (json.is_number()) {
    EXPECT_GE(json.get<double>(), 0);
  }
  if (json.is_structured()) {
    for (const Json& child : json) expect_no_bad_number(child);
  }
}

TEST(Run, TextEndsInTheVerdict) {
  const auto r = run({"run", small});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_THAT(r.out, HasSubstr("olmoe meets the target"));
  EXPECT_THAT(r.out, Not(HasSubstr("\x1b")));
  EXPECT_EQ(r.err, "");
}

TEST(Run, JsonHasOneCandidatePerHardwareAndNoBadNumber) {
  const auto r = run({"run", mixed, "--format", "json"});
  EXPECT_EQ(r.code, 0) << r.err;
  const Json json = Json::parse(r.out);
  ASSERT_EQ(json["candidates"].size(), 3u);
  expect_no_bad_number(json);
  const Json& misfit = json["candidates"][2];
  EXPECT_EQ(misfit["name"], "too big");
  EXPECT_FALSE(misfit["fits"].get<bool>());
  EXPECT_TRUE(misfit["usd_per_million_output_tokens"].is_null());
  EXPECT_FALSE(misfit["reason"].get<std::string>().empty());
  const Json& moe = json["candidates"][0];
  EXPECT_FALSE(moe["routing"].empty());
  EXPECT_TRUE(json["candidates"][1]["routing"].empty());
  EXPECT_FALSE(moe["price"]["date"].get<std::string>().empty());
  const Json& usd = moe["usd_per_million_output_tokens"];
  EXPECT_LE(usd["low"].get<double>(), usd["value"].get<double>());
  EXPECT_LE(usd["value"].get<double>(), usd["high"].get<double>());
  // The whole bill is a rate of dollars over a rate of tokens.
  const double per_gpu =
      moe["throughput"]["output_tokens_per_second_per_gpu"]["value"].get<double>();
  const double price = moe["price"]["usd_per_gpu_hour"].get<double>();
  EXPECT_NEAR(usd["value"].get<double>(), price / per_gpu / 3600 * 1e6,
              1e-9 * usd["value"].get<double>());
}

TEST(Run, CsvHasARowPerCandidate) {
  const auto r = run({"run", mixed, "--format", "csv"});
  EXPECT_EQ(r.code, 0);
  std::size_t lines = 0;
  for (std::size_t at = 0; (at = r.out.find("\r\n", at)) != std::string::npos; at += 2) ++lines;
  EXPECT_EQ(lines, 4u);
}

TEST(Run, SetReplacesAValueAndChangesTheDigest) {
  const Json before = Json::parse(run({"run", small, "--format", "json"}).out);
  const Json after =
      Json::parse(run({"run", small, "--format", "json", "--set", "slo.tpot=30 ms", "--set",
                       "candidates.olmoe.pricing={usd_per_gpu_hour: 10 USD/h}"})
                      .out);
  EXPECT_EQ(before["slo"]["tpot_seconds"], 0.05);
  EXPECT_EQ(after["slo"]["tpot_seconds"], 0.03);
  EXPECT_EQ(after["candidates"][0]["price"]["usd_per_gpu_hour"], 10);
  EXPECT_NE(before["inputs_digest"], after["inputs_digest"]);
}

TEST(Run, SetMistakesNameTheOption) {
  const auto r = run({"run", small, "--set", "slo.tpto=30 ms"});
  EXPECT_EQ(r.code, 2);
  EXPECT_THAT(r.err, HasSubstr("--set 'slo.tpto=30 ms'"));
  EXPECT_EQ(run({"run", small, "--set", "slo"}).code, 2);
  EXPECT_EQ(run({"run", small, "--set", "=1"}).code, 2);
  EXPECT_EQ(run({"run", small, "--set", "slo.tpot="}).code, 2);
}

TEST(Run, CandidateKeepsOnlyThoseNamed) {
  const auto r = run({"run", mixed, "--candidate", "dense", "--format", "json"});
  ASSERT_EQ(r.code, 0) << r.err;
  const Json json = Json::parse(r.out);
  ASSERT_EQ(json["candidates"].size(), 1u);
  EXPECT_EQ(json["candidates"][0]["name"], "dense");
  const auto wrong = run({"run", mixed, "--candidate", "dens"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("Did you mean 'dense'?"));
}

TEST(Run, SimulatedRequestsHavePercentilesAndNoBadNumber) {
  const auto r = run({"run", small, "--set", "fidelity=simulated", "--format", "json"});
  ASSERT_EQ(r.code, 0) << r.err;
  const Json json = Json::parse(r.out);
  expect_no_bad_number(json);
  const Json& simulated = json["candidates"][0]["simulated"];
  EXPECT_EQ(simulated["seeds"], 3);
  EXPECT_GT(simulated["ttft"]["p99"]["mean"], simulated["ttft"]["p50"]["mean"]);
  const auto text = run({"run", small, "--set", "fidelity=simulated"});
  EXPECT_THAT(text.out, HasSubstr("3 draws of"));
}

TEST(Run, PerfettoWritesTheStepsOfOneSimulatedCandidate) {
  const Folder folder;
  const std::string path = folder.path("steps.json");
  const auto r = run({"run", small, "--set", "fidelity=simulated", "--perfetto", path});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_GT(Json::parse(read(path))["traceEvents"].size(), 100);
  EXPECT_EQ(run({"run", small, "--perfetto", path}).err,
            "tollgate run: --perfetto needs single requests; add 'fidelity: simulated' to the "
            "scenario or --set fidelity=simulated.\n");
  const auto two = run({"run", mixed, "--set", "fidelity=simulated", "--perfetto", path});
  EXPECT_EQ(two.code, 2);
  EXPECT_THAT(two.err, HasSubstr("choose it with --candidate NAME"));
}

TEST(Run, NothingFeasibleIsExitCodeOneWithTheWholeReport) {
  const auto r = run({"run", mixed, "--candidate", "too big"});
  EXPECT_EQ(r.code, 1);
  EXPECT_THAT(r.out, HasSubstr("does not fit"));
  EXPECT_EQ(r.err, "");
  const auto slow = run({"run", small, "--set", "slo.tpot=1 us"});
  EXPECT_EQ(slow.code, 1);
  EXPECT_THAT(slow.out, HasSubstr("No candidate meets the target"));
}

TEST(Run, TheSameBytesForAnyNumberOfThreadsAndAnyRun) {
  const std::string once = run({"run", mixed, "--format", "json"}).out;
  for (const char* threads : {"1", "2", "4"}) {
    EXPECT_EQ(run({"run", mixed, "--format", "json", "--threads", threads}).out, once) << threads;
  }
}

TEST(Run, BackendsGiveTheSameBytes) {
  for (const char* format : {"json", "text", "csv"}) {
    EXPECT_EQ(
        run({"run", small, "--format", format, "--set", "routing.tokens=2048", "--backend", "tbb"})
            .out,
        run({"run", small, "--format", format, "--set", "routing.tokens=2048", "--backend",
             "reference"})
            .out);
  }
}

TEST(Run, TheSeedChangesRoutingOnly) {
  const Json a = Json::parse(run({"run", mixed, "--format", "json", "--seed", "1"}).out);
  const Json b = Json::parse(run({"run", mixed, "--format", "json", "--seed", "2"}).out);
  EXPECT_NE(a["candidates"][0]["routing"][0], b["candidates"][0]["routing"][0]);
  EXPECT_EQ(a["candidates"][1]["usd_per_million_output_tokens"],
            b["candidates"][1]["usd_per_million_output_tokens"]);
}

TEST(Run, OutputGoesToAFileWhole) {
  const Folder folder;
  const std::string path = folder.path("out.json");
  const auto r = run({"run", small, "--format", "json", "-o", path});
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(r.out, "");
  EXPECT_EQ(read(path), run({"run", small, "--format", "json"}).out);
  EXPECT_EQ(run({"run", small, "-o", "-"}).out, run({"run", small}).out);
}

TEST(Run, AFileThatCannotBeWrittenIsExitCodeThree) {
  const Folder folder;
  const auto r = run({"run", small, "-o", folder.path("missing/out.json")});
  EXPECT_EQ(r.code, 3);
  EXPECT_THAT(r.err, HasSubstr("cannot be written"));
}

TEST(Run, ABackendThatCannotRunHereIsExitCodeFour) {
  const auto version = run({"--version"});
  if (version.out.find("cuda       not available") == std::string::npos)
    GTEST_SKIP() << "CUDA runs here";
  const auto r = run({"run", small, "--backend", "cuda"});
  EXPECT_EQ(r.code, 4);
  EXPECT_THAT(r.err, HasSubstr("cannot run here"));
}

}  // namespace
}  // namespace tollgate
