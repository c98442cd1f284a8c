#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "captured_run.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing_cli::Folder;
using testing_cli::repository;
using testing_cli::run;

constexpr const char* mixtral = R"({
  "architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336,
  "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8,
  "num_experts_per_tok": 2, "vocab_size": 32000, "max_position_embeddings": 32768, "tie_word_embeddings": false,
  "torch_dtype": "bfloat16", "sliding_window": null, "hidden_act": "silu"
})";

TEST(Import, PrintsAModelThatAScenarioTakes) {
  const Folder folder;
  const std::string model = folder.path("mine.yaml");
  const auto r =
      run({"import", folder.write("config.json", mixtral), "--name", "mine", "-o", model});
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_THAT(testing_cli::read(model), StartsWith("schema_version: 1\nname: mine\n"));
  const auto used = run(
      {"run", repository("tests/fixtures/small.yaml"), "--set", "candidates[0].model=" + model});
  EXPECT_EQ(used.code, 0) << used.err;
  EXPECT_THAT(used.out, HasSubstr("46.7B parameters"));
}

TEST(Import, SaysOnStderrWhatItAssumed) {
  const Folder folder;
  const auto r = run({"import", folder.write("config.json", mixtral)});
  EXPECT_THAT(r.out, StartsWith("schema_version: 1\n"));
  std::istringstream lines(r.err);
  for (std::string line; std::getline(lines, line);) EXPECT_THAT(line, StartsWith("assumed: "));
}

}  // namespace
}  // namespace tollgate
