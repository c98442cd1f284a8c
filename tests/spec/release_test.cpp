// Checkpoints in other formats than the shipped one, as models/llm states them.
#include <gtest/gtest.h>

#include "sim/spec/library.h"

namespace tollgate {
namespace {

LlmSpec model(const char* name) {
  static Library library(TOLLGATE_REPOSITORY "/models");
  return library.model(name, {});
}

/// hf_quant_config.json of NVIDIA's NVFP4 checkpoints excludes self_attn of mixtures.
TEST(Release, MixturesKeepTheirAttention) {
  for (const char* name : {"DeepSeek-R1", "MiniMax-M2.5", "GLM-4.6"}) {
    const PrecisionMap p = precision_in(model(name), Precision::nvfp4);
    EXPECT_EQ(p.attention, Precision::bf16) << name;
    EXPECT_EQ(p.dense_ffn, Precision::nvfp4) << name;
    EXPECT_EQ(p.shared_experts, Precision::nvfp4) << name;
    EXPECT_EQ(p.experts, Precision::nvfp4) << name;
    EXPECT_EQ(p.router, Precision::bf16) << name;
  }
}

TEST(Release, SomeFamiliesKeepSharedExpertsToo) {
  for (const char* name : {"Kimi-K2.5", "Qwen3.5-397B-A17B"}) {
    EXPECT_EQ(precision_in(model(name), Precision::nvfp4).shared_experts, Precision::bf16) << name;
  }
}

TEST(Release, WithoutOneWhatIsWiderIsNarrowed) {
  const LlmSpec llama = model("Llama-3.1-70B");
  EXPECT_EQ(llama.release(Precision::nvfp4), nullptr);
  EXPECT_EQ(precision_in(llama, Precision::nvfp4).attention, Precision::nvfp4);
  EXPECT_EQ(precision_in(model("DeepSeek-R1"), Precision::fp8).attention, Precision::fp8);
}

TEST(Release, SomePublishersScaleFp8PerBlock) {
  for (const char* name : {"Qwen3-32B", "Qwen3.5-397B-A17B", "GLM-5.1"}) {
    const LlmSpec m = model(name);
    ASSERT_NE(m.release(Precision::fp8), nullptr) << name;
    EXPECT_TRUE(m.release(Precision::fp8)->scales_per_block) << name;
  }
  for (const char* name : {"Qwen2.5-72B", "Llama-3.1-70B"}) {
    EXPECT_EQ(model(name).release(Precision::fp8), nullptr) << name;
  }
}

}  // namespace
}  // namespace tollgate
