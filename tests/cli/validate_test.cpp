#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "captured_run.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;
using testing_cli::Folder;
using testing_cli::run;
using Json = nlohmann::json;

const char* table =
    "id,model,system,backend,isl,osl,concurrency,tp,mean_ttft_ms,mean_tpot_ms\n"
    "one,Llama-3.1-8B,h100_sxm,vllm,1024,256,16,1,120,9\n"
    "two,Llama-3.1-8B,h100_sxm,vllm,1024,256,64,1,260,14\n"
    "bad,Nope-7B,h100_sxm,vllm,1024,256,64,1,260,14\n";

TEST(Validate, TextJsonAndPredictionsAgree) {
  const Folder folder;
  const std::string file = folder.write("m.csv", table);
  const std::string out = folder.path("p.csv");
  const auto text = run({"validate", file, "--by", "concurrency"});
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr(": no model of models/llm is called 'Nope-7B'"));
  const auto json = run({"validate", file, "--format", "json", "--predictions", out});
  ASSERT_EQ(json.code, 0) << json.err;
  const Json j = Json::parse(json.out);
  EXPECT_EQ(j["format_version"], "2.0");
  EXPECT_EQ(j["rows"], 3);
  EXPECT_EQ(j["predicted"], 2);
  for (const char* what : {"ttft", "tpot"}) {
    for (const char* key : {"mape", "median_ape", "p90_ape", "bias", "coverage_p10_p90"})
      EXPECT_TRUE(j[what][key].is_number()) << what << key;
  }
  const std::string csv = testing_cli::read(folder.path("p.csv"));
  EXPECT_THAT(csv, HasSubstr("id,predicted_ttft_ms,predicted_tpot_ms,ttft_low_ms,ttft_high_ms,"
                             "tpot_low_ms,tpot_high_ms,provenance,note\n"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 4);
  EXPECT_THAT(csv, HasSubstr("\nbad,,,,,,,,"));
}

TEST(Validate, MistakesAreOneSentenceAndExitCodeTwo) {
  const Folder folder;
  const std::string file = folder.write("m.csv", table);
  const struct {
    std::vector<std::string> arguments;
    std::string error;
  } mistakes[] = {
      {{"validate", file, "--where", "x"},
       "tollgate validate: --where needs COLUMN=TEXT, but is 'x'.\n"},
      {{"validate", file, "--by", "modell"},
       file + ":1:1: the table has no column 'modell'. Did you mean 'model'?\n"},
      {{"validate", file, "--where", "id=three"},
       file + ":1:1: no row of the table meets the conditions.\n"},
      {{"validate", folder.write("e.csv", "")},
       folder.path("e.csv") + ":1:1: the file is empty.\n"},
      {{"validate", folder.write("c.csv", "model,isl\nx,1\n")},
       folder.path("c.csv") + ":1:1: the table has no column 'osl', which validation needs.\n"},
  };
  for (const auto& mistake : mistakes) {
    const auto r = run(mistake.arguments);
    EXPECT_EQ(r.code, 2);
    EXPECT_EQ(r.err, mistake.error);
    EXPECT_EQ(r.out, "");
  }
}

}  // namespace
}  // namespace tollgate
