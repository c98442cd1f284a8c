// What NVFP4 checkpoints leave in bf16, as the publishers' configurations say.
#include "sim/spec/nvfp4_release.h"

#include <gtest/gtest.h>

#include "sim/spec/library.h"

namespace tollgate {
namespace {

PrecisionMap released(const char* name, Precision experts = Precision::nvfp4) {
  Library library(TOLLGATE_REPOSITORY "/models");
  PrecisionMap precision;
  precision.attention = precision.dense_ffn = precision.shared_experts = Precision::nvfp4;
  precision.experts = experts;
  keep_as_nvfp4_release(library.model(name, {}), precision);
  return precision;
}

TEST(keep_as_nvfp4_release, mixtures_keep_their_attention) {
  for (const char* name : {"DeepSeek-R1", "MiniMax-M2.5", "GLM-4.6"}) {
    const PrecisionMap p = released(name);
    EXPECT_EQ(p.attention, Precision::bf16) << name;
    EXPECT_EQ(p.dense_ffn, Precision::nvfp4) << name;
    EXPECT_EQ(p.shared_experts, Precision::nvfp4) << name;
    EXPECT_EQ(p.experts, Precision::nvfp4) << name;
  }
}

TEST(keep_as_nvfp4_release, some_families_keep_shared_experts_too) {
  for (const char* name : {"Kimi-K2.5", "Qwen3.5-397B-A17B"}) {
    EXPECT_EQ(released(name).shared_experts, Precision::bf16) << name;
  }
}

TEST(keep_as_nvfp4_release, dense_models_and_other_formats_stay) {
  EXPECT_EQ(released("Llama-3.1-70B").attention, Precision::nvfp4);
  EXPECT_EQ(released("DeepSeek-R1", Precision::fp8).attention, Precision::nvfp4);
}

}  // namespace
}  // namespace tollgate
