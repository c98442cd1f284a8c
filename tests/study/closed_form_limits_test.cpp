#include "sim/study/closed_form_limits.h"

#include <gtest/gtest.h>

#include "sim/spec/scenario_schema.h"

namespace tollgate {
namespace {

/// The caveat of one candidate on eight devices, prompts of so many tokens.
ClosedFormCaveat caveat(const std::string& engine, const std::string& model, int prompt,
                        const std::string& load, double ttft, double decoding = 0,
                        const std::string& output = "{kind: lognormal, mean: 200, sigma: 0.7}") {
  Library library(TOLLGATE_REPOSITORY "/models");
  const Scenario s = parse_scenario(
      "schema_version: 1\nname: limits\nengine: " + engine + "\nload: {kind: " + load +
          "}\nslo: {ttft: 2 s, tpot: 50 ms}\nworkload:\n  - {name: all, prefix_hit_rate: 0, "
          "input: " +
          std::to_string(prompt) + ", output: " + output +
          "}\ncandidates:\n  - {name: c, model: " + model + ", hardware: H200-SXM}\n",
      "limits.yaml", {}, library);
  SteadyState state;
  state.ttft = ttft;
  state.decode_load.decode_sequences = decoding;
  return closed_form_caveat(s, s.candidates[0], {8, 1, 1, 1}, summarise(s.workload, 1e5), state);
}

// What limits the load decides: of a load that targets choose, TTFT near its target is the worst
// known; a stated number of requests in flight has no such choice.
TEST(closed_form_limits, a_ttft_near_its_target_has_no_stated_error_where_prompts_go_first) {
  const ClosedFormCaveat near = caveat("sglang", "Llama-3.1-70B", 2000, "saturate", 1.5);
  EXPECT_EQ(near.within, 0);
  EXPECT_NE(near.sentence.find("TTFT is near its target"), std::string::npos) << near.sentence;
  const ClosedFormCaveat far = caveat("sglang", "Llama-3.1-70B", 2000, "saturate", 0.5);
  EXPECT_EQ(far.within, 0.2);
  const ClosedFormCaveat given =
      caveat("sglang", "Llama-3.1-70B", 2000, "concurrency, concurrency: 64", 1.5);
  EXPECT_EQ(given.within, 0.1);
  EXPECT_EQ(caveat("vllm", "Llama-3.1-70B", 2000, "saturate", 1.5).sentence, "");
}

TEST(closed_form_limits, mixtures_whose_prompts_are_about_as_long_as_the_graphs_say_so) {
  const auto within = [&](int prompt) {
    return caveat("vllm", "MiniMax-M2.5", prompt, "saturate", 0.5).within;
  };
  EXPECT_EQ(within(512), 0.1);
  EXPECT_EQ(within(5000), 0.05) << "beyond the graphs in any case";
  EXPECT_EQ(within(50), 0.05) << "within them";
  EXPECT_EQ(caveat("vllm", "MiniMax-M2.5", 50, "saturate", 0.5, 400).within, 0.1)
      << "of 512 rows 400 are taken";
  EXPECT_EQ(caveat("vllm", "Llama-3.1-70B", 512, "saturate", 0.5).within, 0.05)
      << "a dense model's kernels take longer than their launches";
}

// Alike, requests that begin together end together, and a few steps launch the prompts of all.
TEST(closed_form_limits, answers_of_one_length_have_no_stated_error_where_launches_bound_prompts) {
  const ClosedFormCaveat alike =
      caveat("vllm", "MiniMax-M2.5", 5000, "saturate", 0.5, 0, "{kind: fixed, tokens: 200}");
  EXPECT_EQ(alike.within, 0);
  EXPECT_NE(alike.sentence.find("Answers of one length"), std::string::npos) << alike.sentence;
  EXPECT_EQ(caveat("vllm", "Llama-3.1-70B", 5000, "saturate", 0.5, 0, "{kind: fixed, tokens: 200}")
                .within,
            0.05);
  EXPECT_EQ(caveat("trtllm", "Llama-3.1-8B", 500, "saturate", 0.5, 0, "{kind: fixed, tokens: 200}")
                .within,
            0)
      << "TensorRT-LLM's host is slow once a step, whatever the model";
}

}  // namespace
}  // namespace tollgate
