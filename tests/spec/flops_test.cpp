#include "sim/spec/flops.h"

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

namespace tollgate {
namespace {

AttentionSpec grouped_query() {
  AttentionSpec a;
  a.heads = 8;
  a.kv_heads = 2;
  a.head_dim = 64;
  return a;
}

TEST(AttentionWork, GroupedQueryByHand) {
  const DecodeWork work = attention_work(grouped_query(), 512, 100, {});
  EXPECT_EQ(work.attention_flops, 100 * 8 * 4 * 64);
  EXPECT_EQ(work.cache_bytes, 100 * 2 * 2 * 64 * 2);
  EXPECT_EQ(work.linear_flops, 2 * (2 * 512 * 512 + 2 * 512 * 128));
  EXPECT_EQ(work.ffn_flops, 0);
}

TEST(AttentionWork, WindowAndChunkLimit) {
  AttentionSpec a = grouped_query();
  const double full = attention_work(a, 512, 100, {}).attention_flops;
  a.window = 100;
  EXPECT_EQ(attention_work(a, 512, 5000, {}).attention_flops, full);
  a.window = 0;
  a.chunk = 100;
  EXPECT_EQ(attention_work(a, 512, 5000, {}).attention_flops, full);
}

TEST(AttentionWork, LatentAttentionByHand) {
  AttentionSpec a;
  a.kind = AttentionKind::mla;
  a.heads = 128;
  a.v_head_dim = 128;
  a.kv_lora_rank = 512;
  a.qk_nope_head_dim = 128;
  a.qk_rope_head_dim = 64;
  const DecodeWork exact = attention_work(a, 7168, 1000, {});
  EXPECT_EQ(exact.attention_flops, 2.0 * 128 * 1088 * 1000);
  EXPECT_EQ(exact.cache_bytes, 576 * 2 * 1000);
  EXPECT_EQ(attention_work(a, 7168, 1000, step3_counting()).attention_flops,
            2.0 * 128 * 1152 * 1000);
}

TEST(AttentionWork, AnIndexerReadsAllKeysAndFewPositions) {
  AttentionSpec a = grouped_query();
  a.index.heads = 4;
  a.index.head_dim = 32;
  a.index.top_k = 50;
  const DecodeWork work = attention_work(a, 512, 1000, {});
  EXPECT_EQ(work.attention_flops, 50 * 8 * 4 * 64 + 2 * 1000 * 4 * 32);
  EXPECT_EQ(work.cache_bytes, 50 * 2 * 2 * 64 * 2 + 1000 * 32);
  a.index.owns_cache = false;
  EXPECT_EQ(attention_work(a, 512, 1000, {}).cache_bytes, 50 * 2 * 2 * 64 * 2);
}

TEST(AttentionWork, LinearAttentionDoesNotGrow) {
  AttentionSpec a;
  a.kind = AttentionKind::linear;
  a.qk_heads = 4;
  a.qk_head_dim = 32;
  a.v_heads = 8;
  a.v_head_dim = 64;
  const DecodeWork near = attention_work(a, 512, 10, {});
  const DecodeWork far = attention_work(a, 512, 1e6, {});
  EXPECT_EQ(near.attention_flops, 6 * 8 * 64 * 32);
  EXPECT_EQ(near.cache_bytes, 8 * 8 * 64 * 32);
  EXPECT_EQ(near.attention_flops, far.attention_flops);
  EXPECT_EQ(near.cache_bytes, far.cache_bytes);
}

TEST(FfnWork, DenseAndExperts) {
  FfnSpec dense;
  dense.intermediate = 1024;
  EXPECT_EQ(ffn_work(dense, 256).ffn_flops, 2 * 3 * 256 * 1024);
  FfnSpec moe;
  moe.kind = FfnKind::moe;
  moe.intermediate = 128;
  moe.experts = 16;
  moe.top_k = 2;
  moe.shared_experts = 1;
  EXPECT_EQ(ffn_work(moe, 256).ffn_flops, 2 * 3 * 3 * 256 * 128);
  moe.shared_experts = 0;
  moe.zero_experts = 16;
  EXPECT_EQ(ffn_work(moe, 256).ffn_flops, 2 * 1 * 3 * 256 * 128) << "half of the choices are free";
}

TEST(DecodeWorkOfModel, SumsItsLayers) {
  LlmSpec model;
  model.hidden = 512;
  model.attentions = {grouped_query()};
  FfnSpec dense;
  dense.intermediate = 1024;
  model.ffns = {dense};
  model.layers = {{0, {0}}, {0, {}}, {-1, {0, 0}}};
  const DecodeWork work = decode_work(model, 100, {});
  EXPECT_EQ(work.attention_flops,
            2 * attention_work(grouped_query(), 512, 100, {}).attention_flops);
  EXPECT_EQ(work.ffn_flops, 3 * ffn_work(dense, 512).ffn_flops);
}

TEST(DecodeWorkOfModel, RefusesAContextThatIsNone) {
  EXPECT_THROW(decode_work({}, -1, {}), std::invalid_argument);
  EXPECT_THROW(decode_work({}, std::numeric_limits<double>::quiet_NaN(), {}),
               std::invalid_argument);
  EXPECT_THROW(decode_work({}, std::numeric_limits<double>::infinity(), {}), std::invalid_argument);
}

}  // namespace
}  // namespace tollgate
