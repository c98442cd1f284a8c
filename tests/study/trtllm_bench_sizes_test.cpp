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
