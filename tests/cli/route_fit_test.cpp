// Proves: `tollgate route fit` takes any record of choices, and refuses what cannot be fitted.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/captured_run.h"

namespace tollgate {
namespace {

using testing_cli::Folder;
using ::testing::HasSubstr;
using ::testing::Not;

/// Responses to 40 requests of three tokens, two choices of eight experts at two layers.
std::string responses() {
  std::string text;
  unsigned state = 1;
  for (int request = 0; request < 40; ++request) {
    text += "{\"choices\": [{\"routed_experts\": [";
    for (int token = 0; token < 3; ++token) {
      text += token > 0 ? ", [" : "[";
      for (int layer = 0; layer < 2; ++layer) {
        state = state * 1664525u + 1013904223u;
        const unsigned first = state >> 29, second = (first + 1 + (state >> 24) % 7) % 8;
        text += (layer > 0 ? ", [" : "[") + std::to_string(first) + ", " + std::to_string(second) +
                "]";
      }
      text += "]";
    }
    text += "]}]}\n";
  }
  return text;
}

TEST(RouteFit, TakesApiResponses) {
  const Folder folder;
  const std::string path = folder.write("responses.jsonl", responses());
  const auto text =
      testing_cli::run({"route", "fit", path, "--experts", "8", "--top-k", "2", "--topics", "1"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out,
              HasSubstr("vLLM responses to 40 requests: 120 tokens at 2 layers, 40 sequences\n"));
  EXPECT_THAT(text.out, Not(HasSubstr("nan")));
  const auto json =
      testing_cli::run({"route", "fit", path, "--experts", "8", "--top-k", "2", "--topics", "1",
                        "--format", "json"});
  const auto parsed = nlohmann::json::parse(json.out);
  EXPECT_EQ(parsed["tokens_per_layer"], 120);
  for (const auto& row : parsed["comparison"]) EXPECT_TRUE(row["trace"].is_number()) << row;
}

TEST(RouteFit, RefusesWhatCannotBeFitted) {
  const Folder folder;
  const auto refusal = [&](const std::string& path) {
    const auto result =
        testing_cli::run({"route", "fit", path, "--experts", "8", "--top-k", "2"});
    EXPECT_EQ(result.code, 2);
    EXPECT_EQ(result.out, "");
    return result.err;
  };
  EXPECT_THAT(refusal(folder.path("none")), HasSubstr("There is no file or folder"));
  EXPECT_THAT(refusal(folder.path("")), HasSubstr("has no files named <domain>_layer<number>.txt"));
  EXPECT_THAT(refusal(folder.write("empty.txt", "")), HasSubstr("empty.txt is empty."));
  EXPECT_THAT(refusal(folder.write("bad.txt", "1\t2\n3\t9\n")),
              HasSubstr("bad.txt, line 2: expert 9 does not exist"));
  EXPECT_THAT(refusal(folder.write("one.txt", "1\t2\n")), HasSubstr("has one sequence only"));
  EXPECT_THAT(
      refusal(folder.write("counts.csv", "layer_id,expert_id,activation_count\n0,0,1\n0,1,1\n")),
      HasSubstr("holds counts of experts, not the choices of tokens"));
}

}  // namespace
}  // namespace tollgate
