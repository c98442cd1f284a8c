#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "captured_run.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing_cli::Folder;
using testing_cli::repository;
using testing_cli::run;
using Json = nlohmann::json;

Json entries(const std::string& kind) {
  return Json::parse(run({"list", kind, "--format", "json"}).out)[kind];
}

TEST(List, EveryKindHasTextAndJsonWithTheSameEntries) {
  for (const std::string kind : {"models", "hardware", "prices", "traffic"}) {
    const auto text = run({"list", kind});
    ASSERT_EQ(text.code, 0) << text.err;
    const Json all = entries(kind);
    EXPECT_GT(all.size(), 3u) << kind;
    for (const Json& entry : all) {
      const std::string key = entry.contains("name")       ? "name"
                              : entry.contains("hardware") ? "hardware"
                                                           : "model";
      EXPECT_THAT(text.out, HasSubstr(entry[key].get<std::string>()));
    }
  }
}

TEST(List, PricesHaveDates) {
  const Json all = entries("prices");
  for (const Json& entry : all) {
    EXPECT_FALSE(entry["date"].get<std::string>().empty());
    EXPECT_FALSE(entry["from"].get<std::string>().empty());
  }
}

TEST(List, KnowsWhatIsPublishedOfDeepSeekV3) {
  const Json all = entries("models");
  for (const Json& entry : all) {
    if (entry["name"] != "DeepSeek-V3") continue;
    EXPECT_NEAR(entry["total_parameters"].get<double>(), 671e9, 1e9);
    EXPECT_EQ(entry["kv_bytes_per_token"], 70272);
    return;
  }
  FAIL() << "DeepSeek-V3 is not listed";
}

/// What show prints is a model file: a scenario takes it, and gets the same numbers as by name.
TEST(Show, AModelCanBeReadBack) {
  const Folder folder;
  for (const std::string model :
       {"OLMoE-1B-7B", "DeepSeek-V3", "Qwen3.5-397B-A17B", "Gemma-3-27B"}) {
    const auto shown = run({"show", model});
    ASSERT_EQ(shown.code, 0) << shown.err;
    EXPECT_THAT(shown.out, StartsWith("schema_version: 1\nname: " + model + "\n"));
    const std::string file = folder.write("copy.yaml", shown.out);
    const std::string hardware = "candidates[0].hardware=H200-SXM";
    const std::string scenario = repository("tests/fixtures/small.yaml");
    const auto by_name = run({"run", scenario, "--set", hardware, "--set",
                              "candidates[0].model=" + model, "--format", "csv"});
    const auto by_file = run({"run", scenario, "--set", hardware, "--set",
                              "candidates[0].model=" + file, "--format", "csv"});
    EXPECT_EQ(by_file.err, "");
    const auto without_digest = [](const std::string& csv) {
      return csv.substr(0, csv.rfind(','));
    };
    EXPECT_EQ(without_digest(by_name.out), without_digest(by_file.out)) << model;
  }
}

TEST(Show, EveryEntryOfTheLibrary) {
  for (const std::string kind : {"models", "hardware", "traffic"}) {
    const Json all = entries(kind);
    for (const Json& entry : all) {
      const auto r = run({"show", entry["name"].get<std::string>()});
      EXPECT_EQ(r.code, 0) << r.err;
      EXPECT_THAT(r.out, HasSubstr("schema_version: 1\n"));
    }
  }
}

TEST(Show, HardwareComesWithDatedPricesAndSources) {
  const auto r = run({"show", "H100-SXM"});
  EXPECT_THAT(r.out, HasSubstr("sources:"));
  EXPECT_THAT(r.out, HasSubstr("USD/h, 20"));
}

}  // namespace
}  // namespace tollgate
