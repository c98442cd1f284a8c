#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "sim/operators/gemm_curve.h"
#include "sim/operators/known_bad.h"
#include "sim/operators/moe_curve.h"
#include "sim/operators/tiles.h"

namespace tollgate {
namespace {

Device h200() {
  Device d;
  d.bf16 = 989e12;
  d.fp8 = d.int8 = 1979e12;
  d.bandwidth = 4.8e12;
  d.processors = 132;
  d.l2 = 50 * 1048576.0;
  return d;
}
CurveContext context(std::string_view format = "bf16") {
  return {h200(), find_number_format(format)};
}

std::vector<double> parameters(const OperatorCurve& curve) {
  std::vector<double> p;
  for (const CurveParameter& c : curve.parameters()) p.push_back(c.start);
  return p;
}
/// Anywhere within the limits.
std::vector<double> parameters(const OperatorCurve& curve, std::mt19937_64& random) {
  std::vector<double> p;
  for (const CurveParameter& c : curve.parameters()) {
    const double u = static_cast<double>(random() >> 11) * 0x1p-53;
    p.push_back(c.low > 0 ? c.low * std::pow(c.high / c.low, u) : c.high * u);
  }
  return p;
}
void set(const OperatorCurve& curve, std::vector<double>& p, std::string_view name, double value) {
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (curve.parameters()[i].name == name) p[i] = value;
  }
}

double integer(std::mt19937_64& random, double octaves) {
  return std::floor(std::exp2(octaves * static_cast<double>(random() >> 11) * 0x1p-53));
}

/// Shapes of an expert layer that a distribution of tokens over experts can give.
std::vector<double> expert_shape(std::mt19937_64& random, double copies) {
  const double hidden = integer(random, 13), inter = integer(random, 13);
  const double experts = integer(random, 8), tokens = integer(random, 14);
  double rows = 0, active = 0, rows16 = 0, rows64 = 0, rows128 = 0;
  for (double e = 0; e < experts; ++e) {
    const double n =
        std::floor(tokens * std::pow(static_cast<double>(random() >> 11) * 0x1p-53, 3));
    rows += n;
    active += n > 0 ? 1 : 0;
    rows16 += 16 * std::ceil(n / 16);
    rows64 += 64 * std::ceil(n / 64);
    rows128 += 128 * std::ceil(n / 128);
  }
  return {hidden,
          inter,
          static_cast<double>(random() % 2),
          tokens,
          rows + 4 * tokens,
          rows,
          active,
          rows16,
          rows64,
          rows128,
          experts,
          copies};
}

TEST(GemmCurve, LargeProductsRunAtTheShareOfThePeak) {
  const OperatorCurve& curve = gemm_curve();
  auto p = parameters(curve);
  set(curve, p, "compute", 0.75);
  set(curve, p, "load", 50);
  set(curve, p, "epilogue", 50);
  set(curve, p, "overlap", 0.001);
  set(curve, p, "sustained", 0.0001);
  set(curve, p, "k_step", 1e-11);
  const double n = 32768, shape[] = {n, n, n, 0, 0, 0};
  // 65,536 tiles on 132 processors: the last wave is 0.2 % of all; epilogue and overlap below 1 %.
  EXPECT_NEAR(curve.seconds(shape, context(), p.data()), 2 * n * n * n / (0.75 * 989e12),
              0.01 * 2 * n * n * n / (0.75 * 989e12));
}

TEST(GemmCurve, OneTokenReadsTheWeights) {
  const OperatorCurve& curve = gemm_curve();
  auto p = parameters(curve);
  set(curve, p, "memory", 0.8);
  set(curve, p, "overlap", 0.001);
  const double shape[] = {1, 16384, 16384, 0, 0, 0};
  const double read = 2 * 16384.0 * 16384.0 / (0.8 * 4.8e12);
  EXPECT_NEAR(curve.seconds(shape, context(), p.data()), read + p[2], 0.01 * read);
}

TEST(GemmCurve, AnEmptyProductCostsItsLaunchAndTailsOfOneTile) {
  const OperatorCurve& curve = gemm_curve();
  const auto p = parameters(curve);
  const double shape[] = {1, 1, 1, 0, 0, 0};
  EXPECT_NEAR(curve.seconds(shape, context(), p.data()), p[2], 0.01 * p[2]);
}

/// A benchmark that cycles through six copies finds small weights in the cache; serving does not.
TEST(GemmCurve, WeightsInTheCacheAreReadFaster) {
  const OperatorCurve& curve = gemm_curve();
  auto p = parameters(curve);
  set(curve, p, "resident", 1);
  const double cold[] = {1, 1024, 2048, 0, 0, 0}, warm[] = {1, 1024, 2048, 6, 1, 0},
               large[] = {1, 8192, 8192, 0, 0, 0}, rotated[] = {1, 8192, 8192, 6, 1, 0};
  EXPECT_LT(curve.seconds(warm, context(), p.data()), curve.seconds(cold, context(), p.data()));
  EXPECT_DOUBLE_EQ(curve.seconds(large, context(), p.data()),
                   curve.seconds(rotated, context(), p.data()));
}

/// Weights of half the cache: six copies do not stay, the two that fill it do. Six inputs of
/// 20 MB beside small weights drive each other out, one stays.
TEST(GemmCurve, WhatABenchmarkCyclesThroughDecidesWhatStaysInTheCache) {
  const OperatorCurve& curve = gemm_curve();
  auto p = parameters(curve);
  set(curve, p, "resident", 1);
  const double six[] = {1, 2048, 6400, 6, 1, 0}, filling[] = {1, 2048, 6400, 6, 1, 1},
               inputs[] = {4096, 64, 2560, 6, 6, 0}, input[] = {4096, 64, 2560, 6, 1, 0};
  EXPECT_LT(curve.seconds(filling, context(), p.data()), curve.seconds(six, context(), p.data()));
  EXPECT_LT(curve.seconds(input, context(), p.data()), curve.seconds(inputs, context(), p.data()));
}

/// A kernel that takes its tile by the rows alone takes 256 x 128 for 512 rows: two tiles for 128
/// columns, k not split, where a free one splits 64 x 64 over the processors. With many columns the
/// choice is as good as any.
TEST(GemmCurve, ATileChosenByRowsAloneCostsWhereColumnsAreFew) {
  auto free = parameters(gemm_curve()), bound = free;
  set(gemm_curve(), free, "by_rows", 0);
  set(gemm_curve(), bound, "by_rows", 1);
  const auto seconds = [](const std::vector<double>& p, double n) {
    const double x[] = {512, n, 4096, 0, 1, 0};
    return gemm_curve().seconds(x, context(), p.data());
  };
  EXPECT_GT(seconds(bound, 128), 2 * seconds(free, 128));
  EXPECT_NEAR(seconds(bound, 65536) / seconds(free, 65536), 1, 0.05);
}

TEST(GemmCurve, QuantisingActivationsAddsTimeInProportionToThem) {
  const OperatorCurve& curve = gemm_curve();
  auto p = parameters(curve);
  set(curve, p, "quantise", 0.5);
  set(curve, p, "row", 1e-12);
  NumberFormat plain = *find_number_format("fp8");
  plain.quantises = false;
  const CurveContext without{h200(), &plain};
  const double shape[] = {4096, 4096, 8192, 0, 0, 0};
  EXPECT_NEAR(
      curve.seconds(shape, context("fp8"), p.data()) - curve.seconds(shape, without, p.data()),
      3 * 4096.0 * 8192 / (0.5 * 4.8e12), 1e-9);
}

TEST(MoeCurve, ManyTokensRunAtTheShareOfThePeakAndFewReadActiveExperts) {
  const OperatorCurve& curve = moe_curve();
  auto p = parameters(curve);
  for (const char* name : {"scatter", "route", "load"}) set(curve, p, name, 50);
  set(curve, p, "overlap", 0.001);
  set(curve, p, "expert", 1e-10);
  set(curve, p, "token", 1e-11);
  set(curve, p, "k_step", 1e-11);
  set(curve, p, "compute", 0.5);
  set(curve, p, "memory", 0.8);
  const double many[] = {7168, 2048, 1, 65536, 524288, 524288, 256, 524288, 524288, 524288, 256, 0};
  const double flops = 2 * 524288.0 * 3 * 7168 * 2048;
  EXPECT_NEAR(curve.seconds(many, context(), p.data()), flops / (0.5 * 989e12),
              0.03 * flops / (0.5 * 989e12));
  const double few[] = {7168, 2048, 1, 8, 64, 64, 40, 640, 2560, 5120, 256, 0};
  const double read = 40 * 3.0 * 7168 * 2048 * 2 / (0.8 * 4.8e12);
  EXPECT_NEAR(curve.seconds(few, context(), p.data()) - p[2], read, 0.02 * read);
}

/// What one expert gets more than another costs a tile more: the mean does not decide.
TEST(MoeCurve, SeesTheDistributionAndNotOnlyTheMean) {
  const OperatorCurve& curve = moe_curve();
  const auto p = parameters(curve);
  const double even[] = {4096, 1536, 1, 2048, 16384, 16384, 128, 16384, 16384, 16384, 128, 0};
  double uneven[] = {4096, 1536, 1, 2048, 16384, 16384, 128, 17400, 20500, 24600, 128, 0};
  EXPECT_GT(curve.seconds(uneven, context(), p.data()), curve.seconds(even, context(), p.data()));
  uneven[6] = 96;  // fewer experts touched: less to read
  EXPECT_LT(curve.bound(uneven, context()), curve.bound(even, context()) * 1.0001);
}

/// Of four ranks one holds 32 of 128 experts and a quarter of the choices. A blind kernel pads its
/// 16 rows an expert to 64 (64 choices an expert enter), twice as many choices to 128: the step
/// that tables of gpt-oss-120b show between 512 and 1024 tokens. On one rank nothing is hidden from
/// it.
TEST(MoeCurve, BlindTilesAreAsHighAsTheChoicesOfAllRanks) {
  const OperatorCurve& curve = moe_curve();
  auto p = parameters(curve);
  for (const char* name : {"scatter", "route"}) set(curve, p, name, 50);
  set(curve, p, "token", 1e-11);
  set(curve, p, "dispatch", 0.001);
  set(curve, p, "k_step", 1e-11);
  set(curve, p, "compute", 0.1);  // so that products take longer than weights
  auto seeing = p;
  set(curve, p, "blind", 1);
  set(curve, seeing, "blind", 0.001);
  const auto took = [&](double experts, double tokens, const std::vector<double>& with) {
    const double own = tokens * 4 / 128;  // rows of an expert
    const auto padded = [&](double tile) { return experts * tile * std::ceil(own / tile); };
    const double shape[] = {2880,    2880,       1,          tokens,      4 * tokens, experts * own,
                            experts, padded(16), padded(64), padded(128), experts,    0};
    return curve.seconds(shape, context("mxfp4"), with.data());
  };
  EXPECT_DOUBLE_EQ(took(32, 128, p), took(32, 128, seeing)) << "16 choices an expert fill one tile";
  EXPECT_GT(took(32, 256, p), 1.7 * took(32, 128, p)) << "17 to 64 choices: tiles of 64";
  EXPECT_GT(took(32, 1024, p), 1.7 * took(32, 512, p));
  EXPECT_LT(took(32, 4096, p), 1.05 * took(32, 1024, p)) << "one tile of 128 until it is full";
  EXPECT_GT(took(32, 1024, p), 2 * took(32, 1024, seeing));
  EXPECT_NEAR(took(128, 4096, p), took(128, 4096, seeing), 0.02 * took(128, 4096, p));
}

/// 4,000 random shapes and parameter sets of each curve; every work column grown once.
TEST(ProductCurves, StayAboveTheBoundAndNeverFallWithMoreWork) {
  std::mt19937_64 random(7);
  const char* names[] = {"bf16", "fp8", "fp8_block", "nvfp4", "int4", "mxfp4"};
  for (int trial = 0; trial < 4000; ++trial) {
    const CurveContext c = context(names[trial % 6]);
    const double copies = trial % 3 == 0 ? 6 : 0;
    const auto check = [&](const OperatorCurve& curve, std::vector<double> shape,
                           std::initializer_list<std::size_t> work) {
      const auto p = parameters(curve, random);
      const double t = curve.seconds(shape.data(), c, p.data());
      ASSERT_TRUE(std::isfinite(t));
      ASSERT_GE(t, curve.bound(shape.data(), c)) << curve.op();
      for (const std::size_t i : work) {
        auto more = shape;
        more[i] += integer(random, 8);
        ASSERT_GE(curve.seconds(more.data(), c, p.data()), t * (1 - 1e-12))
            << curve.op() << ", column " << curve.columns()[i];
      }
    };
    check(gemm_curve(),
          {integer(random, 15), integer(random, 16), integer(random, 16), copies, copies, 0},
          {0, 1, 2});
    check(
        batched_gemm_curve(),
        {integer(random, 7), integer(random, 14), integer(random, 10), integer(random, 10), copies},
        {0, 1, 2, 3});
    check(quantise_curve(), {integer(random, 15), integer(random, 16)}, {0, 1});
    check(moe_curve(), expert_shape(random, copies), {0, 1, 3, 4, 5, 6, 7, 8, 9});
    if (HasFatalFailure()) return;
  }
}

/// Cached bytes take `l2` of the time of bytes from memory: 24 MB on a device that caches 50.
TEST(QuantiseCurve, CachedBytesTakeTheirOwnTime) {
  auto p = parameters(quantise_curve());
  set(quantise_curve(), p, "resident", 1);
  set(quantise_curve(), p, "launch", 1e-8);
  set(quantise_curve(), p, "row", 1e-12);
  const double x[] = {2000, 4000};
  const auto seconds = [&](double l2) {
    set(quantise_curve(), p, "l2", l2);
    return quantise_curve().seconds(x, context("fp8"), p.data()) - 1e-8;
  };
  EXPECT_NEAR(seconds(0.1), 0.1 * 24e6 / 4.8e12, 1e-11);
  EXPECT_NEAR(seconds(0.5), 0.5 * 24e6 / 4.8e12, 1e-11);
}

TEST(ProductCurves, EagerBlockProductsOfVllmAreKnownBad) {
  const OperatorKey key{"gemm", "vllm", "fp8_block", "DeepGemmFp8BlockScaledMMKernel"};
  EXPECT_NE(known_bad_reason("B200-SXM", key).find("CUDA graph"), std::string_view::npos);
  EXPECT_EQ(known_bad_reason("B200-SXM", {"gemm", "trtllm", "fp8_block", "deepgemm"}), "");
}

TEST(Tiles, RoundUpIsCeil) {
  for (const double x : {0.0, 0.25, 1.0, 1.0000001, 4095.5, 1e9 + 0.5}) {
    EXPECT_EQ(round_up(x), std::ceil(x));
  }
}

}  // namespace
}  // namespace tollgate
