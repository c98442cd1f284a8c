#include "sim/operators/collective_curves.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "sim/operators/curve.h"

namespace tollgate {
namespace {

CurveContext context() {
  CurveContext c;
  c.device.bandwidth = 3.35e12;
  c.device.l2 = 50e6;
  c.device.scale_up = 450e9;
  c.device.scale_out = 50e9;
  c.device.scale_out_latency = 10e-6;
  c.device.per_domain = 8;
  c.format = find_number_format("fp8");
  return c;
}

std::vector<const OperatorCurve*> families() {
  std::vector<const OperatorCurve*> all;
  for (const auto group : {collective_curves(), expert_exchange_curves(), elementwise_curves()}) {
    all.insert(all.end(), group.begin(), group.end());
  }
  return all;
}

std::vector<double> random_shape(const OperatorCurve& curve, std::mt19937_64& random) {
  std::vector<double> shape;
  const auto log_uniform = [&](double low, double high) {
    const double u = static_cast<double>(random() >> 11) * 0x1p-53;
    return std::floor(low * std::pow(high / low, u));
  };
  for (const auto column : curve.columns()) {
    shape.push_back(column == "ranks"        ? log_uniform(2, 128)
                    : column == "topk"       ? log_uniform(1, 16)
                    : column == "experts"    ? log_uniform(8, 512)
                    : column == "processors" ? log_uniform(4, 32)
                    : column == "hidden"     ? log_uniform(1024, 8192)
                    : column == "tokens"     ? log_uniform(1, 65536)
                                             : log_uniform(256, 1e9));
  }
  return shape;
}

std::vector<double> random_parameters(const OperatorCurve& curve, std::mt19937_64& random) {
  std::vector<double> p;
  for (const CurveParameter& c : curve.parameters()) {
    const double u = static_cast<double>(random() >> 11) * 0x1p-53;
    p.push_back(c.low * std::pow(c.high / c.low, u));
  }
  return p;
}

/// What curve.h promises, for 2000 random shapes and constants of every family here.
TEST(CollectiveCurves, NeverBeatTheLinkAndGrowWithTheWork) {
  std::mt19937_64 random(7);
  for (const OperatorCurve* curve : families()) {
    SCOPED_TRACE(std::string(curve->op()));
    for (int i = 0; i < 2000; ++i) {
      const auto shape = random_shape(*curve, random);
      const auto p = random_parameters(*curve, random);
      const double t = curve->seconds(shape.data(), context(), p.data());
      ASSERT_TRUE(std::isfinite(t) && t > 0);
      ASSERT_GE(t, curve->bound(shape.data(), context()));
      for (std::size_t c = 0; c < shape.size(); ++c) {
        const auto name = curve->columns()[c];
        if (name != "bytes" && name != "tokens" && name != "hidden") continue;
        auto more = shape;
        more[c] *= 1.5;
        ASSERT_GE(curve->seconds(more.data(), context(), p.data()), t * (1 - 1e-12));
      }
    }
  }
}

TEST(CollectiveCurves, BoundsAreThoseOfTheWire) {
  // 8 ranks, 1 GiB: 7/8 of it leaves a rank for an all_gather.
  const double shape[] = {8, 1 << 30};
  EXPECT_DOUBLE_EQ(find_curve("all_gather")->bound(shape, context()), 7.0 / 8 * (1 << 30) / 450e9);
  // Sixteen ranks in two domains, all_to_all: half of the data crosses a 50 GB/s card.
  const double across[] = {16, 1 << 30};
  EXPECT_DOUBLE_EQ(find_curve("all_to_all")->bound(across, context()), 0.5 * (1 << 30) / 50e9);
  // Every token to 8 experts on 8 ranks, one by one: 4096 tokens x 8 x 7/8 x (7168 + 224) bytes.
  const double dispatch[] = {8, 4096, 7168, 8, 256};
  EXPECT_NEAR(find_curve("dispatch_low_latency")->bound(dispatch, context()),
              4096.0 * 8 * 7 / 8 * 7392 / 450e9, 1e-12);
}

/// Normal mode sends a token once to each rank: 8 of 8 choices reach 8 (1 - (7/8)^8) = 5.25 ranks.
TEST(CollectiveCurves, NormalModeSendsATokenOncePerRank) {
  const double normal[] = {8, 4096, 7168, 8, 0};
  const double ratio = find_curve("dispatch")->bound(normal, context()) /
                       find_curve("dispatch_low_latency")
                           ->bound(std::array{8.0, 4096.0, 7168.0, 8.0, 256.0}.data(), context());
  EXPECT_NEAR(ratio, (1 - std::pow(7.0 / 8, 8)), 1e-12);
}

TEST(CollectiveCurves, CachedBytesAreFaster) {
  const OperatorCurve& curve = *find_curve("elementwise");
  const double p[] = {2e-6, 0.8, 2};
  const double small[] = {20e6};
  EXPECT_NEAR(curve.seconds(small, context(), p), 2e-6 + 20e6 / (2 * 3.35e12), 1e-12);
  const double large[] = {10e9};
  EXPECT_NEAR(curve.seconds(large, context(), p), 10e9 / (0.8 * 3.35e12), 5e-6);
}

}  // namespace
}  // namespace tollgate
