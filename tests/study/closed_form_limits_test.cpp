#include "sim/study/closed_form_limits.h"

#include <gtest/gtest.h>

#include "sim/spec/scenario_schema.h"

namespace tollgate {
namespace {

/// The caveat of one candidate on eight devices, prompts of so many tokens.
ClosedFormCaveat caveat(const std::string& engine, const std::string& model, int prompt,
                        const std::string& load, double ttft, int data_attention = 1) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const Scenario s = parse_scenario(
      "schema_version: 1\nname: limits\nengine: " + engine + "\nload: {kind: " + load +
          "}\nslo: {ttft: 2 s, tpot: 50 ms}\nworkload:\n  - {name: all, prefix_hit_rate: 0, "
          "input: " +
          std::to_string(prompt) + ", output: 200}\ncandidates:\n  - {name: c, model: " + model +
          ", hardware: H200-SXM}\n",
      "limits.yaml", {}, library);
  const Deployment d{8 / data_attention, 1, 1, data_attention};
  return closed_form_caveat(s, s.candidates[0], d, summarise(s.workload, 1e5), ttft);
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
  EXPECT_EQ(caveat("vllm", "Llama-3.1-70B", 512, "saturate", 0.5).within, 0.05)
      << "a dense model's kernels take longer than their launches";
}

}  // namespace
}  // namespace tollgate
