#include <gtest/gtest.h>

#include "sim/spec/scenario_schema.h"

namespace tollgate {
namespace {

const std::string head = R"(schema_version: 1
name: test
workload:
  - {name: chat, input: 1000, output: 200, prefix_hit_rate: 0}
load: {kind: saturate}
candidates:
)";

Scenario parse(const std::string& candidates, const std::vector<std::string>& overrides = {}) {
  Library library(TOLLGATE_REPOSITORY "/models");
  return parse_scenario(head + candidates, "test.yaml", overrides, library);
}

std::string error_of(const std::string& candidates,
                     const std::vector<std::string>& overrides = {}) {
  try {
    parse(candidates, overrides);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(scenario, a_list_of_hardware_makes_one_candidate_each) {
  const Scenario s = parse("  - {model: Llama-3.1-70B, hardware: [H200-SXM, B200-SXM]}\n");
  ASSERT_EQ(s.candidates.size(), 2u);
  EXPECT_EQ(s.candidates[0].name, "Llama-3.1-70B on H200-SXM");
  EXPECT_EQ(s.candidates[1].hardware.name, "B200-SXM");
}

TEST(scenario, an_inline_part_on_a_base_changes_only_what_it_names) {
  const Scenario s = parse(
      "  - name: more memory\n    model: {base: Llama-3.1-70B, context: 999999}\n"
      "    hardware: {base: H200-SXM, memory: 300 GB}\n");
  EXPECT_EQ(s.candidates[0].model.layers.size(), 80u);
  EXPECT_EQ(s.candidates[0].model.context, 999999);
  EXPECT_DOUBLE_EQ(s.candidates[0].hardware.memory, 300e9);
  EXPECT_DOUBLE_EQ(s.candidates[0].hardware.memory_bandwidth, 4.8e12);
}

TEST(scenario, two_batches_need_an_exchange_to_overlap) {
  const auto candidate = [](const std::string& model, const std::string& engine) {
    return "  - {model: " + model + ", hardware: H200-SXM, engine: " + engine +
           ", deployment: {two_batch_overlap: true}}\n";
  };
  EXPECT_EQ(error_of(candidate("DeepSeek-V3", "{base: sglang, expert_exchange: deepep}")),
            "no error");
  EXPECT_EQ(error_of(candidate("Llama-3.1-70B", "{base: sglang, expert_exchange: deepep}")),
            "test.yaml:7:129: deployment.two_batch_overlap has nothing to overlap: Llama-3.1-70B "
            "has no experts.");
  EXPECT_EQ(error_of(candidate("DeepSeek-V3", "trtllm")),
            "test.yaml:7:94: deployment.two_batch_overlap has nothing to overlap: trtllm gathers "
            "all tokens on every rank of H200-SXM; 'expert_exchange: deepep' of the engine sends "
            "them.");
}

TEST(scenario, a_device_can_be_written_inline) {
  const Scenario s = parse(
      "  - model: Llama-3.1-8B\n    pricing: {usd_per_gpu_hour: 2 USD/h}\n    hardware:\n      "
      "name: mine\n      vendor: me\n"
      "      memory: 80 GB\n      memory_bandwidth: 3 TB/s\n      peak: {bf16: 900 TFLOP/s}\n"
      "      scale_up: {name: a, bandwidth: 100 GB/s, latency: 1 us}\n"
      "      scale_out: {name: b, bandwidth: 400 Gbit/s, latency: 5 us}\n"
      "      sources: [{what: all, from: me, date: 2026-01-01}]\n");
  EXPECT_EQ(s.candidates[0].hardware.name, "mine");
  EXPECT_DOUBLE_EQ(s.candidates[0].hardware.memory_bandwidth, 3e12);
  EXPECT_DOUBLE_EQ(s.candidates[0].price.usd_per_hour, 2);
}

TEST(scenario, pricing_and_deployment_of_a_candidate_stand_on_those_of_the_scenario) {
  const Scenario s = parse(
      "  - {name: a, model: Llama-3.1-70B, hardware: H200-SXM}\n"
      "  - {name: b, model: Llama-3.1-70B, hardware: H200-SXM, pricing: {utilisation: 0.5}, "
      "deployment: {tensor: 4}}\n",
      {"pricing={level: neocloud-own}", "deployment={gpus: 8, kv_cache: fp8}"});
  EXPECT_EQ(s.candidates[0].price.level, "neocloud-own");
  EXPECT_EQ(s.candidates[1].price.level, "neocloud-own");
  EXPECT_DOUBLE_EQ(s.candidates[1].pricing.utilisation.whole, 0.5);
  EXPECT_DOUBLE_EQ(s.candidates[0].pricing.utilisation.whole, 1);
  EXPECT_EQ(s.candidates[1].deployment.gpus, 8);
  EXPECT_EQ(s.candidates[1].deployment.tensor, 4);
  EXPECT_EQ(s.candidates[1].deployment.kv_cache, Precision::fp8);
}

TEST(scenario, the_digest_covers_text_overrides_and_the_files_referred_to) {
  const std::string one = "  - {model: Llama-3.1-70B, hardware: H200-SXM}\n";
  const std::string digest = parse(one).inputs_digest;
  EXPECT_EQ(parse(one).inputs_digest, digest);
  EXPECT_NE(parse(one + "# a remark\n").inputs_digest, digest);
  EXPECT_NE(parse(one, {"seed=2"}).inputs_digest, digest);
  EXPECT_EQ(digest.size(), 32u);
  // Operator curves are read later than the scenario, yet belong to it.
  Library books(TOLLGATE_REPOSITORY "/models");
  books.note_operator_curves();
  EXPECT_TRUE(books.files_read().contains("hardware/operators/H200-SXM.yaml"));
}

TEST(scenario, contradictions_are_refused_at_their_place) {
  EXPECT_EQ(error_of("  - {model: Llama-3.1-70B, hardware: H200-SXM, deployment: {expert: 4}}\n"),
            "test.yaml:7:69: deployment.expert is 4, but Llama-3.1-70B has no experts.");
  EXPECT_EQ(error_of("  - {model: DeepSeek-V3, hardware: H200-SXM, deployment: {gpus: 4, tensor: "
                     "8, pipeline: 1, "
                     "expert: 1, data_attention: 1}}\n"),
            "test.yaml:7:65: deployment.gpus is 4, but tensor x pipeline x data_attention is 8.");
  EXPECT_EQ(error_of("  - {name: x, model: Llama-3.1-70B, hardware: H200-SXM}\n"
                     "  - {name: x, model: Llama-3.1-8B, hardware: H200-SXM}\n"),
            "test.yaml:8:5: there are two candidates named 'x'.");
  EXPECT_EQ(error_of("  - {model: Claude-Opus-4.6, hardware: H200-SXM}\n"),
            "test.yaml:7:13: Claude-Opus-4.6 is closed: its architecture is not published, so it "
            "has prices only.");
  EXPECT_EQ(error_of("  - {model: Mixtral-8x7B, hardware: H200-SXM}\n", {"workload[0].input=40000"})
                .substr(0, 60),
            "--set 'workload[0].input=40000': class 'chat' needs 40200 to");
}

TEST(scenario, unknown_names_come_with_a_suggestion) {
  EXPECT_NE(error_of("  - {model: Lama-3.1-70B, hardware: H200-SXM}\n")
                .find("Did you mean 'Llama-3.1-70B'?"),
            std::string::npos);
  EXPECT_NE(
      error_of("  - {model: Llama-3.1-70B, hardware: H200-SXN}\n").find("Did you mean 'H200-SXM'?"),
      std::string::npos);
  EXPECT_NE(error_of("  - {model: Llama-3.1-70B, hardware: H200-SXM, pricing: {level: rent-3y}}\n")
                .find("Did you mean 'rent-3yr'?"),
            std::string::npos);
}

}  // namespace
}  // namespace tollgate
