// Weights and cache of every architecture against figures that others published.
#include "sim/spec/architecture.h"

#include <gtest/gtest.h>

#include <cmath>

#include "sim/spec/library.h"

namespace tollgate {
namespace {

constexpr double gib = 1024.0 * 1024 * 1024;
constexpr double million_tokens = 1 << 20;

Library library() { return Library(TOLLGATE_REPOSITORY "/models"); }
LlmSpec model(const std::string& name) { return library().model(name, {}); }

std::vector<std::string> open_models() {
  std::vector<std::string> names;
  for (const auto& name : library().names(Library::Shelf::llm)) {
    if (!model(name).closed) names.push_back(name);
  }
  return names;
}

/// The active parameters under the counting convention the publisher uses.
double active_as_published(const LlmSpec& m) {
  const ParameterCount count = count_parameters(m);
  const double head = m.tied_embeddings ? count.embedding : count.lm_head;
  const bool head_alone =
      !m.published.active_counts_embeddings && m.published.active_counts_lm_head;
  return count.active(m.published.active_counts_embeddings) + (head_alone ? head : 0);
}

/// A publisher's rounding is documented by a note that begins like this.
bool documents_rounding(const LlmSpec& m) {
  for (const auto& note : m.notes) {
    if (note.starts_with("Published figures:")) return true;
  }
  return false;
}

void expect_near_published(double ours, double published, bool rounded, const char* what) {
  if (published == 0) return;
  const double error = std::abs(ours / published - 1);
  EXPECT_LE(error, rounded ? 0.03 : 0.01)
      << what << " is " << ours << ", published " << published << " (" << 100 * error << " %)";
}

class EveryModel : public testing::TestWithParam<std::string> {};

TEST_P(EveryModel, AgreesWithItsPublishedFigures) {
  const LlmSpec m = model(GetParam());
  const bool rounded = documents_rounding(m);
  ASSERT_GT(m.published.total_parameters, 0);
  expect_near_published(count_parameters(m).total(), m.published.total_parameters, rounded,
                        "total");
  expect_near_published(active_as_published(m), m.published.active_parameters, rounded, "active");
  expect_near_published(kv_bytes_per_token(m, m.precision), m.published.kv_bytes_per_token, false,
                        "cache per token");
}

TEST_P(EveryModel, IsConsistentWithItself) {
  const LlmSpec m = model(GetParam());
  const ParameterCount count = count_parameters(m);
  EXPECT_LE(count.active(true), count.total() * (1 + 1e-12));
  EXPECT_LT(count.active(false), count.active(true));

  PrecisionMap two_bytes;
  EXPECT_NEAR(weight_bytes(m, two_bytes).total(), 2 * (count.total() + count.mtp + count.other),
              1e-9 * count.total());
  EXPECT_LE(weight_bytes(m, m.precision).total(), weight_bytes(m, two_bytes).total() * (1 + 1e-12));

  const double far = sequence_bytes(m, m.precision, 2 * million_tokens).total();
  const double near = sequence_bytes(m, m.precision, million_tokens).total();
  EXPECT_NEAR(far - near, million_tokens * kv_bytes_per_token(m, m.precision), 1e-6 * far)
      << "beyond the windows a sequence grows by kv_bytes_per_token";
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name;
  for (const char c : info.param) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}
INSTANTIATE_TEST_SUITE_P(Models, EveryModel, testing::ValuesIn(open_models()), test_name);

// Table 1 of arXiv 2505.09343.
TEST(CacheBytes, PerTokenAsInTheDeepSeekV3HardwarePaper) {
  const PrecisionMap bf16;
  EXPECT_EQ(kv_bytes_per_token(model("DeepSeek-V3"), bf16), 70272);
  EXPECT_EQ(kv_bytes_per_token(model("Qwen2.5-72B"), bf16), 327680);
  EXPECT_EQ(kv_bytes_per_token(model("Llama-3.1-405B"), bf16), 516096);
}

// The vLLM announcement of DeepSeek-V4 gives the bf16 cache of a million-token sequence.
TEST(CacheBytes, OfAMillionTokensAsVllmReports) {
  PrecisionMap bf16;
  bf16.index_cache = Precision::bf16;
  const auto gibibytes = [&](const char* name) {
    return sequence_bytes(model(name), bf16, million_tokens).total() / gib;
  };
  EXPECT_NEAR(gibibytes("DeepSeek-V3.2"), 83.9, 0.05);
  EXPECT_NEAR(kv_bytes_per_token(model("DeepSeek-V4-Pro"), bf16) * million_tokens / gib, 9.62,
              0.005);
  EXPECT_NEAR(gibibytes("DeepSeek-V4-Flash"), 6.72, 0.01);
}

// Table 2 of arXiv 2507.19427: cache of 8 Ki tokens at one byte per element.
TEST(CacheBytes, OfEightThousandTokensAsInTheStep3Paper) {
  PrecisionMap bytes;
  bytes.kv_cache = Precision::fp8;
  const auto at_8k = [&](const char* name) {
    const LlmSpec m = model(name);
    return sequence_bytes(m, bytes, 8192).kv;
  };
  EXPECT_NEAR(at_8k("DeepSeek-V3"), 2.88e8, 0.005e8);
  EXPECT_NEAR(at_8k("Kimi-K2"), 2.88e8, 0.005e8);
  EXPECT_NEAR(at_8k("Qwen3-235B-A22B"), 7.89e8, 0.005e8);
  EXPECT_NEAR(at_8k("Qwen3-32B"), 1.07e9, 0.005e9);
  EXPECT_NEAR(at_8k("ERNIE-4.5-300B-A47B"), 9.06e8, 0.005e8);
  EXPECT_NEAR(at_8k("Pangu-Pro-MoE-72B-A16B"), 8.05e8, 0.005e8);
  EXPECT_NEAR(at_8k("Step-3"), 2.56e8, 0.005e8);
}

TEST(CacheBytes, WindowsFillAndStayFull) {
  const LlmSpec gemma = model("Gemma-3-27B");
  const PrecisionMap bf16;
  const double per_layer = 2 * 16 * 128 * 2;
  EXPECT_EQ(sequence_bytes(gemma, bf16, 512).total(), 62 * 512 * per_layer);
  EXPECT_EQ(sequence_bytes(gemma, bf16, 8192).total(), (10 * 8192 + 52 * 1024) * per_layer);
  EXPECT_NEAR(52 * 1024 * per_layer, 436e6, 1e6);
}

// 45 layers of 64 x 128 x 128 in fp32.
TEST(StateBytes, OfQwen35AndKimiK3) {
  const auto state = [](const char* name) {
    const LlmSpec m = model(name);
    double elements = 0;
    for (const auto& layer : m.layers) {
      if (layer.attention >= 0)
        elements += cache_shape(m.attentions[static_cast<std::size_t>(layer.attention)]).state;
    }
    return elements * bytes_per_element(m.precision.state);
  };
  EXPECT_NEAR(state("Qwen3.5-397B-A17B"), 188.7e6, 0.1e6);
  EXPECT_NEAR(state("Kimi-K3"), 434e6, 1e6);
}

// README_WEIGHTS.md of DeepSeek-V3: the MTP module has 11.5 B parameters of its own.
TEST(Parameters, OfTheMtpModule) {
  EXPECT_NEAR(count_parameters(model("DeepSeek-V3")).mtp, 11.5e9, 0.15e9);
}

TEST(Parameters, ZeroExpertsCostNothing) {
  FfnSpec ffn;
  ffn.kind = FfnKind::moe;
  ffn.intermediate = 10;
  ffn.experts = 6;
  ffn.top_k = 3;
  const FfnWeights without = ffn_weights(ffn, 100);
  EXPECT_EQ(without.per_expert, 3 * 100 * 10);
  EXPECT_EQ(without.active(ffn), 3 * without.per_expert + 6 * 100);
  ffn.zero_experts = 3;
  const FfnWeights with = ffn_weights(ffn, 100);
  EXPECT_EQ(with.experts, without.experts);
  EXPECT_EQ(with.router, 9 * 100);
  EXPECT_DOUBLE_EQ(with.active(ffn), 2 * with.per_expert + 9 * 100);
}

TEST(Parameters, LatentExpertsWorkInTheirOwnWidth) {
  FfnSpec ffn;
  ffn.kind = FfnKind::moe;
  ffn.intermediate = 10;
  ffn.experts = 4;
  ffn.top_k = 1;
  ffn.latent = 50;
  ffn.shared_experts = 1;
  const FfnWeights w = ffn_weights(ffn, 100);
  EXPECT_EQ(w.per_expert, 3 * 50 * 10);
  EXPECT_EQ(w.shared, 3 * 100 * 10);
  EXPECT_EQ(w.router, 4 * 100 + 2 * 100 * 50);
}

// MiniMax-M1 is 70 lightning and 10 full layers; the linear mixers have a gate, no growing cache.
TEST(Attention, KindsThatDoNotGrow) {
  AttentionSpec a;
  a.kind = AttentionKind::linear;
  a.linear = LinearKind::lightning;
  a.qk_heads = a.v_heads = 2;
  a.qk_head_dim = a.v_head_dim = 8;
  EXPECT_EQ(attention_weights(a, 100).total(), 5 * 100 * 16 + 16);
  EXPECT_EQ(cache_shape(a).kv_per_position, 0);
  EXPECT_EQ(cache_shape(a).state, 2 * 8 * 8);
}

TEST(Attention, MlaWithoutLowRankQueries) {
  AttentionSpec a;
  a.kind = AttentionKind::mla;
  a.heads = 2;
  a.kv_lora_rank = 16;
  a.qk_nope_head_dim = 8;
  a.qk_rope_head_dim = 4;
  a.v_head_dim = 6;
  const AttentionWeights w = attention_weights(a, 100);
  EXPECT_EQ(w.query, 100 * 2 * 12);
  EXPECT_EQ(w.key_value, 100 * 20 + 16 * 2 * 14);
  EXPECT_EQ(w.output, 2 * 6 * 100);
  EXPECT_EQ(cache_shape(a).kv_per_position, 20);
}

TEST(Attention, ValueFromTheKeysProjectionIsStillCached) {
  AttentionSpec a;
  a.heads = 4, a.kv_heads = 2, a.head_dim = 8;
  const double both = attention_weights(a, 100).key_value;
  a.k_eq_v = true;
  EXPECT_EQ(attention_weights(a, 100).key_value, both / 2);
  EXPECT_EQ(cache_shape(a).kv_per_position, 2 * 2 * 8);
  a.shared_kv = true;
  EXPECT_EQ(cache_shape(a).kv_per_position, 2 * 8);
}

TEST(ClosedModels, CountAsNothing) {
  const LlmSpec m = model("Claude-Sonnet-4.6");
  EXPECT_EQ(count_parameters(m).total(), 0);
  EXPECT_EQ(weight_bytes(m, m.precision).total(), 0);
}

}  // namespace
}  // namespace tollgate
