#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>

#include "sim/operators/attention_kernels.h"
#include "sim/operators/attention_tables.h"
#include "sim/operators/attention_work.h"
#include "sim/operators/decode_attention_curve.h"
#include "sim/operators/mla_curves.h"
#include "sim/operators/prefill_attention_curve.h"

namespace tollgate {
namespace {

CurveContext hopper(const char* format, double l2 = 50 << 20) {
  CurveContext c;
  c.device.bf16 = 989e12;
  c.device.fp8 = 1979e12;
  c.device.bandwidth = 3.35e12;
  c.device.processors = 132;
  c.device.l2 = l2;
  c.format = find_number_format(format);
  return c;
}

std::vector<double> starts(const OperatorCurve& curve) {
  std::vector<double> p;
  for (const CurveParameter& c : curve.parameters()) p.push_back(c.start);
  return p;
}

/// Uniform between the limits, in the logarithm where they span decades.
std::vector<double> random_parameters(const OperatorCurve& curve, std::mt19937_64& random) {
  std::vector<double> p;
  for (const CurveParameter& c : curve.parameters()) {
    const double u = std::uniform_real_distribution<double>(0, 1)(random);
    p.push_back(c.low > 0 ? c.low * std::pow(c.high / c.low, u) : c.low + (c.high - c.low) * u);
  }
  return p;
}

/// Columns of work may grow; the others describe a model and keep their kind.
struct Column {
  std::string_view name;
  std::vector<double> values;
  bool work;
};
const Column& column_of(std::string_view name) {
  static const std::vector<Column> columns{
      {"batch", {1, 2, 3, 7, 16, 61, 256}, true},
      {"seq", {1, 2, 31, 128, 129, 777, 4096, 20000}, true},
      {"past", {0, 1, 100, 2047, 5000, 100000}, true},
      {"context", {1, 2, 100, 1024, 5000, 131072}, true},
      {"heads", {8, 16, 32, 64, 128}, true},
      {"kv_heads", {1, 2, 4, 8}, false},
      {"head_dim", {64, 128, 256}, false},
      {"window", {0, 128, 1024, 8192}, false},
      {"cache_bytes", {1, 2}, false},
      {"product_bytes", {1, 2}, false},
      {"channels", {512, 1000, 12288}, true},
      {"k_heads", {1, 4, 16}, true},
      {"v_heads", {2, 16, 64}, true},
      {"k_dim", {64, 128}, true},
      {"v_dim", {64, 128}, true},
      {"state_bytes", {2, 4}, true},
      {"hidden", {4096, 7168}, true},
      {"query_rank", {1024, 2048}, true},
      {"nope", {128, 192}, true},
      {"value", {128, 256}, true},
      {"index_heads", {0, 32, 64}, true},
      {"ratio", {4, 128}, false},
      {"top_k", {512, 1024}, true},
  };
  for (const Column& c : columns) {
    if (c.name == name) return c;
  }
  throw std::logic_error("no values for the column " + std::string(name));
}

std::string described(const OperatorCurve& curve, const std::vector<double>& shape) {
  std::string text(curve.op());
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += " " + std::string(curve.columns()[i]) + "=" + std::to_string(shape[i]);
  }
  return text;
}

// Random parameters within their limits, random shapes; every work column grown in turn.
TEST(AttentionCurves, NeverBeatTheirBoundAndNeverFallWithMoreWork) {
  std::mt19937_64 random(7);
  for (const OperatorCurve* curve : attention_curves()) {
    for (int trial = 0; trial < 4000; ++trial) {
      const CurveContext context = hopper(trial % 3 == 0   ? "bf16"
                                          : trial % 3 == 1 ? "fp8"
                                                           : "w8a16",
                                          trial % 4 == 0 ? 0 : 50 << 20);
      const auto p = random_parameters(*curve, random);
      std::vector<double> shape;
      for (const std::string_view name : curve->columns()) {
        const auto& values = column_of(name).values;
        shape.push_back(values[random() % values.size()]);
      }
      const double t = curve->seconds(shape.data(), context, p.data());
      ASSERT_TRUE(std::isfinite(t) && t > 0) << described(*curve, shape);
      ASSERT_GE(t, curve->bound(shape.data(), context)) << described(*curve, shape);
      for (std::size_t i = 0; i < shape.size(); ++i) {
        const Column& column = column_of(curve->columns()[i]);
        const bool wider = column.name == "window" && shape[i] > 0;
        if (!column.work && !wider) continue;
        auto more = shape;
        more[i] = column.name == "heads" ? 2 * shape[i] : shape[i] + 1 + std::floor(shape[i] / 3);
        // A selection of more positions leaves fewer contexts to select from.
        if (column.name == "top_k") continue;
        const double longer = curve->seconds(more.data(), context, p.data());
        ASSERT_GE(longer, t * (1 - 1e-12))
            << described(*curve, shape) << " with more " << column.name;
      }
    }
  }
}

TEST(AttentionWork, PairsAreThoseOfTheMaskCountedOneByOne) {
  for (const int seq : {1, 5, 40}) {
    for (const int past : {0, 3, 64}) {
      for (const int window : {0, 1, 4, 50, 1000}) {
        double pairs = 0;
        int first = past + seq;
        for (int q = past; q < past + seq; ++q) {
          for (int k = 0; k <= q; ++k) {
            if (window == 0 || q - k < window) {
              ++pairs;
              first = std::min(first, k);
            }
          }
        }
        EXPECT_EQ(visible_pairs(seq, past, window), pairs) << seq << " " << past << " " << window;
        EXPECT_GE(visible_positions(seq, past, window), past + seq - first);
      }
    }
  }
}

TEST(PrefillAttention, CausalIsHalfOfFullAndPastIsFull) {
  const OperatorCurve& curve = prefill_attention_curve();
  const CurveContext c = hopper("bf16");
  const auto p = starts(curve);
  const auto seconds = [&](double seq, double past) {
    const double shape[] = {1, seq, past, 32, 8, 128, 0};
    return curve.seconds(shape, c, p.data());
  };
  // 64k queries alone see half of the pairs that 64k queries at the end of a very long text see per
  // 64k of it; tiles at the edges and the wait for the last one are the rest.
  const double causal = seconds(65536, 0), on_a_past = seconds(65536, 65536) - causal;
  EXPECT_NEAR(on_a_past / causal, 2, 0.03);
  const double shape[] = {1, 65536, 0, 32, 8, 128, 0};
  EXPECT_NEAR(curve.bound(shape, c), 4.0 * 128 * 32 * 65536 * 65537 / 2 / 989e12, 1e-12);
}

TEST(PrefillAttention, AWindowCapsTheWorkAsFarAsItIsSkipped) {
  const OperatorCurve& curve = prefill_attention_curve();
  const CurveContext c = hopper("bf16");
  auto p = starts(curve);
  const auto seconds = [&](double seq, double window) {
    const double shape[] = {1, seq, 0, 32, 8, 128, window};
    return curve.seconds(shape, c, p.data());
  };
  EXPECT_NEAR(seconds(65536, 128) / seconds(32768, 128), 2, 0.03);
  EXPECT_LT(seconds(65536, 128), 0.02 * seconds(65536, 0));
  EXPECT_EQ(seconds(65536, 65536), seconds(65536, 0));
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (curve.parameters()[i].name == "skip") p[i] = 0;
  }
  EXPECT_GT(seconds(65536, 128), 0.99 * seconds(65536, 0));
}

TEST(DecodeAttention, IsLinearInTheTotalOfCachedTokens) {
  const OperatorCurve& curve = decode_attention_curve();
  const CurveContext cold = hopper("bf16", 0);
  const auto p = starts(curve);
  const auto seconds = [&](double batch, double context) {
    const double shape[] = {batch, context, 32, 8, 128, 0};
    return curve.seconds(shape, cold, p.data());
  };
  const double step = seconds(64, 16384) - seconds(64, 8192);
  EXPECT_NEAR((seconds(64, 65536) - seconds(64, 32768)) / step, 4, 0.01);
  // The same total over twice the sequences differs by their items alone.
  EXPECT_NEAR(seconds(128, 16384) / seconds(64, 32768), 1, 0.01);
  const double bytes = 64.0 * 8192 * 2 * 8 * 128 * 2;
  EXPECT_NEAR(step, bytes / (0.8 * 3.35e12), 0.01 * step);
}

TEST(DecodeAttention, AWindowBoundsTheContext) {
  const OperatorCurve& curve = decode_attention_curve();
  const CurveContext c = hopper("fp8");
  const auto p = starts(curve);
  const double wide[] = {64, 100000, 32, 8, 128, 4096}, at[] = {64, 4096, 32, 8, 128, 0};
  EXPECT_EQ(curve.seconds(wide, c, p.data()), curve.seconds(at, c, p.data()));
}

TEST(DecodeAttention, ColdCachesAreNeverFaster) {
  for (const OperatorCurve* curve : {&decode_attention_curve(), &mla_decode_curve()}) {
    const auto p = starts(*curve);
    for (const double context : {1.0, 100.0, 1000.0, 10000.0}) {
      const double shape[] = {16, context, 32, 8, 128, 0};
      EXPECT_LE(curve->seconds(shape, hopper("bf16"), p.data()),
                curve->seconds(shape, hopper("bf16", 0), p.data()) * (1 + 1e-12));
    }
  }
}

TEST(DecodeAttention, UnevenLengthsLieBetweenMeanAndLongest) {
  EXPECT_EQ(uneven_decode_seconds(10e-6, 30e-6, 0), 10e-6);
  EXPECT_DOUBLE_EQ(uneven_decode_seconds(10e-6, 30e-6, 0.25), 15e-6);
}

// DeepSeek-V2, table 1: 576 elements per token, against 2 x 128 x 128 of keys and values.
TEST(MlaDecode, ReadsLatentsOnceForAllHeads) {
  const CurveContext cold = hopper("bf16", 0);
  const double few[] = {64, 32768, 16}, many[] = {64, 32768, 32};
  const double latents = 64.0 * 32768 * 576 * 2 / 3.35e12;
  EXPECT_NEAR(mla_decode_curve().bound(few, cold), latents, 0.01 * latents);
  EXPECT_NEAR(mla_decode_curve().bound(many, cold), latents, 0.01 * latents);
}

// TensorRT-LLM 1.0 on A100 (aiconfigurator 095f58a5, bf16, 8 heads): 16,384 positions take 1.88,
// 2.03, 2.74, 4.69, 7.37, 13.7 and 26.1 ms for 1, 32, 64, ... 1024 sequences: 108 processors take
// one each, then turns.
TEST(MlaDecode, SequencesTakeTurnsOnTheProcessors) {
  Device a100;
  a100.bf16 = 312e12;
  a100.bandwidth = 2.039e12;
  a100.processors = 108;
  a100.l2 = 40 << 20;
  const CurveContext context{a100, find_number_format("bf16")};
  const OperatorCurve& curve = mla_decode_curve();
  // launch, memory, item, head, compute, rows, l2, serial, split, crowd, tail
  const std::vector<double> p{7.9e-6, 0.95, 1.3e-5, 5e-8, 0.6, 64, 0.9, 120e-9, 0, 1.29, 0.99};
  const auto ms = [&](double batch, double positions) {
    const double shape[] = {batch, positions, 8};
    return 1e3 * curve.seconds(shape, context, p.data());
  };
  for (const auto& [batch, measured] : std::vector<std::pair<double, double>>{{1, 1.88},
                                                                              {32, 2.03},
                                                                              {64, 2.74},
                                                                              {128, 4.69},
                                                                              {256, 7.37},
                                                                              {512, 13.7},
                                                                              {1024, 26.1}}) {
    EXPECT_NEAR(ms(batch, 16384) / measured, 1, 0.15) << batch;
  }
  // A tile of 64 positions is the least.
  EXPECT_DOUBLE_EQ(ms(16, 1), ms(16, 64));
  EXPECT_LT(ms(16, 64), ms(16, 128));
}

TEST(AttentionKernels, AreNamedByWhatTellsThemApart) {
  EXPECT_EQ(prefill_kernel("fa3", 128), "fa3.d128");
  EXPECT_EQ(prefill_kernel("fa3", 80), "fa3.d128");
  EXPECT_EQ(prefill_kernel("fa3", 576), "fa3.d512");
  EXPECT_EQ(decode_kernel("fa3", 64, 32, 8, 0), "fa3.d64");
  EXPECT_EQ(decode_kernel("fa3", 64, 8, 8, 128), "fa3.d64.mha.window");
  EXPECT_EQ(decode_kernel("fa3", 256, 64, 1, 0), "fa3.d256.wide");
  EXPECT_EQ(decode_kernel("fa3", 128, 8, 1, 0), "fa3.d128.mqa");
  EXPECT_EQ(decode_kernel("fa3", 128, 8, 1, 128), "fa3.d128.window");
}

TEST(AttentionKernels, LatentDecodeHasKernelsForOneHeadAndForRtxCards) {
  EXPECT_EQ(latent_decode_kernel("triton", "sglang", "ada", "bf16", 1), "triton.mha");
  EXPECT_EQ(latent_decode_kernel("triton", "sglang", "ada", "bf16", 2), "triton");
  EXPECT_EQ(latent_decode_kernel("default", "trtllm", "hopper", "fp8", 1), "default");
  EXPECT_EQ(latent_decode_kernel("default", "trtllm", "blackwell_rtx", "fp8", 128), "default.xqa");
  EXPECT_EQ(latent_decode_kernel("default", "trtllm", "blackwell_rtx", "bf16", 128), "default");
  EXPECT_EQ(latent_decode_kernel("default", "trtllm", "blackwell_rtx", "fp8", 64), "default");
  EXPECT_EQ(latent_decode_kernel("default", "trtllm", "blackwell", "fp8", 128), "default");
}

TEST(KnownBad, NamesTheLibraryOfAKernel) {
  const OperatorKey key{"decode_attention", "trtllm", "bf16", "torch_flow.d128.mha"};
  EXPECT_NE(known_bad_reason("A100-SXM", key), "");
  EXPECT_EQ(known_bad_reason("H100-SXM", key), "");
}

TEST(KernelLibrary, IsTheOneThatDecidesTheTimeWhateverTheEngineCallsIt) {
  for (const char* name : {"fa3.d128.mha", "vllm_flash_attn_fa2.d64", "vllm_flash_attn.d128",
                           "flash_attention.d256.wide"}) {
    EXPECT_EQ(kernel_library(name), "flash_attention") << name;
  }
  EXPECT_EQ(kernel_library("vllm_flashinfer_trtllmdecode.d128"), kernel_library("trtllm_mha.d128"));
  EXPECT_EQ(kernel_library("vllm_flashinfer_fidecode.d128"), kernel_library("flashinfer.d128.mqa"));
  EXPECT_EQ(kernel_library("vllm_triton_attn.d128"), kernel_library("triton.d64"));
  EXPECT_EQ(kernel_library("causal_conv1d_update.verify"), "causal_conv1d_update");
  EXPECT_EQ(kernel_library("default"), "default");
}

}  // namespace
}  // namespace tollgate
