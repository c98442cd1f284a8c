// The sizes trtllm-bench starts TensorRT-LLM with, worked out by hand from its source.
#include "sim/study/trtllm_bench_sizes.h"

#include <gtest/gtest.h>

#include "sim/spec/library.h"

namespace tollgate {
namespace {

BenchSizes sizes(const char* model, const char* device, const Deployment& ranks,
                 std::optional<Precision> weights, Precision cache, double input, double output) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const LlmSpec spec = library.model(model, {});
  PrecisionMap precision = weights ? precision_in(spec, *weights) : spec.precision;
  precision.kv_cache = cache;
  return trtllm_bench_sizes(spec, library.hardware(device, {}), ranks, precision, input, output,
                            0.95);
}

// Two H200 hold 301.5e9 B, weights 70.55e9, of the rest 0.95 is 219.4e9; a request of 2000 tokens
// takes 2 x 80 x 8 x 128 x 2000 = 327.68e6: 669.6 requests, 768 in steps of 128. They feed 1339
// tokens, less than 2048, which is more than a prompt beside a full batch, 1768.
TEST(TrtllmBenchSizes, LlamaOnTwoH200) {
  const BenchSizes s =
      sizes("Llama-3.1-70B", "H200-SXM", {2, 1, 1, 1}, Precision::fp8, Precision::fp8, 1000, 1000);
  EXPECT_EQ(s.max_num_seqs, 768);
  EXPECT_EQ(s.batched_tokens, 2048);
}

// One B200 holds 192.3e9 B. NVFP4 packs two weights into an element and has a scale for sixteen:
// 2.1e9 of embedding and head, 68.5e9 x 9/16 others, half a byte each as it counts them: 20.3e9 B.
// 0.95 of the rest over 163,840 B x 2000 is 498.5 requests: 512, fed by 997 tokens.
TEST(TrtllmBenchSizes, Nvfp4CheckpointsAreCountedByTheirPackedElements) {
  const BenchSizes s = sizes("Llama-3.1-70B", "B200-SXM", {1, 1, 1, 1}, Precision::nvfp4,
                             Precision::fp8, 1000, 1000);
  EXPECT_EQ(s.max_num_seqs, 512);
  EXPECT_EQ(s.batched_tokens, 2048);
}

// Eight H200, TP8: (1206.0e9 - 70.6e9) x 0.95 over 163,840 x 2176 is 3025 requests of 128 / 2048,
// 3072 in steps of 256, fed by 3025 x (1 + 1 / 16) = 3214 tokens: 3328. As 5000 / 500: 1197, 1280,
// fed by 13167: 13312. Two stages share the requests: 1513, 1536.
TEST(TrtllmBenchSizes, TheBudgetFeedsTheBatch) {
  const auto llama = [](const Deployment& ranks, double input, double output) {
    return sizes("Llama-3.1-70B", "H200-SXM", ranks, Precision::fp8, Precision::fp8, input, output);
  };
  EXPECT_EQ(llama({8, 1, 1, 1}, 128, 2048).max_num_seqs, 3072);
  EXPECT_EQ(llama({8, 1, 1, 1}, 128, 2048).batched_tokens, 3328);
  EXPECT_EQ(llama({8, 1, 1, 1}, 5000, 500).max_num_seqs, 1280);
  EXPECT_EQ(llama({8, 1, 1, 1}, 5000, 500).batched_tokens, 13312);
  EXPECT_EQ(llama({4, 2, 1, 1}, 128, 2048).max_num_seqs, 1536);
}

// No cache that grows with the context to count by: the engine's defaults.
TEST(TrtllmBenchSizes, HybridsKeepTheDefaults) {
  const BenchSizes s =
      sizes("MiniMax-M1", "H200-SXM", {1, 1, 1, 1}, std::nullopt, Precision::bf16, 1000, 1000);
  EXPECT_EQ(s.max_num_seqs, 2048);
  EXPECT_EQ(s.batched_tokens, 8192);
}

// A prompt of 32768 beside 64 sequences, the least that it sets.
TEST(TrtllmBenchSizes, ALongPromptFitsBesideTheBatch) {
  const BenchSizes s =
      sizes("Llama-3.1-70B", "H200-SXM", {2, 1, 1, 1}, Precision::fp8, Precision::fp8, 32768, 1024);
  EXPECT_EQ(s.max_num_seqs, 64);
  EXPECT_EQ(s.batched_tokens, 32768 + 64);
}

// Latent attention is counted as 128 heads of 7168 / 128 = 56: 2 x 61 x 128 x 56 = 874,496 B a
// token, so that 8 H200 (1206.0e9 B, weights 684.5e9 with the module for drafts) are taken to hold
// 283 requests of 2000 tokens.
TEST(TrtllmBenchSizes, LatentAttentionIsCountedByItsHeads) {
  const BenchSizes s =
      sizes("DeepSeek-R1", "H200-SXM", {1, 1, 8, 8}, std::nullopt, Precision::fp8, 1000, 1000);
  EXPECT_EQ(s.max_num_seqs, 384);
  EXPECT_EQ(s.batched_tokens, 2048);
}

TEST(TrtllmBenchSizes, FormatsThatItDoesNotTuneKeepTheDefaults) {
  const BenchSizes s =
      sizes("gpt-oss-120b", "H100-SXM", {1, 1, 4, 4}, std::nullopt, Precision::bf16, 8192, 1024);
  EXPECT_EQ(s.max_num_seqs, 2048);
  EXPECT_EQ(s.batched_tokens, 8192 + 2048);
}

}  // namespace
}  // namespace tollgate
