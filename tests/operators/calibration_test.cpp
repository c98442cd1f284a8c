#include "sim/operators/calibration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <cmath>
#include <random>

#include "sim/operators/shape_hash.h"
#include "sim/spec/library.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;

HardwareSpec hardware(const std::string& name = "H100-SXM") {
  return Library(TOLLGATE_REPOSITORY "/models").hardware(name, {});
}

const std::vector<double> truth{20e-6, 1e-6, 2e-8, 3e-9, 0.6, 0.9};

/// Dispatches of n shapes made with `truth` and log-normal noise.
TableGroup group_of(int n, double noise, const HardwareSpec& device, std::uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  TableGroup group;
  group.key = {"dispatch", "made", "fp8", "k"};
  group.version = "1";
  const OperatorCurve& curve = *find_curve("dispatch");
  const CurveContext context{device_of(device), find_number_format("fp8")};
  const double hidden[] = {2048, 4096, 7168}, processors[] = {4, 8, 16, 20, 24};
  for (int i = 0; i < n; ++i) {
    OperatorSample s;
    s.shape = {std::exp2(1 + static_cast<double>(random() % 3)),
               std::floor(std::exp2(16 * static_cast<double>(random() >> 11) * 0x1p-53)),
               hidden[random() % 3], std::exp2(static_cast<double>(random() % 4)),
               processors[random() % 5]};
    s.seconds =
        curve.seconds(s.shape.data(), context, truth.data()) * std::exp(noise * normal(random));
    group.low = group.high = s.shape;
    group.samples.push_back(std::move(s));
  }
  group.rows = n;
  return group;
}

CalibrationOptions options() { return {0.2, "a test", "2026-01-01"}; }

TEST(Calibration, FindsWhatMadeTheData) {
  OperatorTables tables;
  tables.groups.push_back(group_of(4000, 0.02, hardware()));
  const Calibration result = calibrate(hardware(), tables, options());
  ASSERT_EQ(result.curves.size(), 1u);
  const FittedCurve& c = result.curves[0];
  EXPECT_LT(c.median_ape, 0.02);
  EXPECT_LT(c.p90_ape, 0.05);
  EXPECT_NEAR(c.parameters[0], truth[0], 0.1 * truth[0]);
  EXPECT_NEAR(c.parameters[4], truth[4], 0.1);
  EXPECT_TRUE(c.preferred);
  EXPECT_EQ(c.source, "a test");
  // About a fifth is held out: 800 with a standard deviation of 25.
  EXPECT_NEAR(c.held_out, 800, 5 * 25);
}

/// Of 20 tables of 1000 noisy rows, 80 % of the checking half falls inside: about 2000 shapes with
/// a standard deviation of 0.9 % from counting and as much from each band's 100 residuals; 4 sigma.
TEST(Calibration, TheBandCoversFourFifths) {
  double inside = 0, all = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    OperatorTables tables;
    tables.groups.push_back(group_of(1200, 0.15, hardware(), seed));
    const FittedCurve c = calibrate(hardware(), tables, options()).curves[0];
    inside += c.coverage * c.held_out;
    all += c.held_out;
  }
  EXPECT_NEAR(inside / all, 0.8, 0.05);
}

/// Small tables take the band from cross-validation, which sees the same kind of error.
TEST(Calibration, TheBandOfSmallTablesCoversAboutAsMuch) {
  double inside = 0, all = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    OperatorTables tables;
    tables.groups.push_back(group_of(120, 0.15, hardware(), seed));
    const FittedCurve c = calibrate(hardware(), tables, options()).curves[0];
    inside += c.coverage * c.held_out;
    all += c.held_out;
  }
  // 480 shapes, standard deviation 1.8 %, and 2 % upwards of the outer order statistics.
  EXPECT_NEAR(inside / all, 0.82, 0.08);
}

TEST(Calibration, TheSplitDependsOnTheShapeAlone) {
  const double shape[] = {8, 4096};
  EXPECT_EQ(shape_hash("all_gather", shape, HashUse::holdout),
            shape_hash("all_gather", std::vector<double>{8, 4096}, HashUse::holdout));
  EXPECT_NE(shape_hash("all_gather", shape, HashUse::holdout),
            shape_hash("all_gather", shape, HashUse::subsample));
  // Pinned: published accuracies name held-out shapes by this hash.
  EXPECT_NEAR(shape_fraction("all_gather", shape, HashUse::holdout), 0.961473786012, 1e-9);
}

TEST(Calibration, ThreadsDoNotMatter) {
  OperatorTables tables;
  for (int i = 0; i < 4; ++i) {
    tables.groups.push_back(group_of(1200, 0.1, hardware(), static_cast<std::uint64_t>(i) + 1));
    tables.groups.back().key.kernel = std::to_string(i);
  }
  const auto text = [&](std::size_t threads) {
    tbb::global_control control(tbb::global_control::max_allowed_parallelism, threads);
    DeviceCurves curves;
    curves.name = "H100-SXM";
    curves.curves = calibrate(hardware(), tables, options()).curves;
    return to_text(curves);
  };
  EXPECT_EQ(text(1), text(4));
}

TEST(Calibration, TakesTheNewestFullVersion) {
  OperatorTables tables;
  for (const auto& [version, rows] :
       {std::pair{"1.3.0rc9", 1000}, {"1.3.0rc20", 900}, {"1.3.0rc23", 50}}) {
    tables.groups.push_back(group_of(rows, 0.05, hardware()));
    tables.groups.back().version = version;
  }
  const Calibration result = calibrate(hardware(), tables, options());
  ASSERT_EQ(result.curves.size(), 1u);
  EXPECT_EQ(result.curves[0].version, "1.3.0rc20");
  ASSERT_EQ(result.left_out.size(), 2u);
  EXPECT_EQ(result.left_out[0].reason, "version 1.3.0rc20 is taken");
}

TEST(Calibration, LeavesKnownBadTablesOutByName) {
  OperatorTables tables;
  tables.groups.push_back(group_of(300, 0.05, hardware()));
  tables.groups.push_back(tables.groups[0]);
  tables.groups[1].key = {"all_reduce", "vllm", "bf16", "vLLM_custom_eager"};
  const Calibration result = calibrate(hardware(), tables, options());
  EXPECT_EQ(result.curves.size(), 1u);
  ASSERT_EQ(result.left_out.size(), 1u);
  EXPECT_THAT(result.left_out[0].reason, HasSubstr("without a CUDA graph"));
}

std::string refusal(const OperatorTables& tables) {
  try {
    calibrate(hardware(), tables, options());
  } catch (const InputError& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(Calibration, OneShapeIsNotEnough) {
  OperatorTables tables;
  tables.groups.push_back(group_of(1, 0, hardware()));
  tables.groups[0].samples[0].shape = {8, 3, 7168, 8, 20};
  EXPECT_THAT(refusal(tables), HasSubstr("shape"));
  EXPECT_THAT(refusal(tables), HasSubstr("6 parameters need 8"));
}

TEST(Calibration, TimesThatNoPeakAllowsAreAMistakenUnit) {
  OperatorTables tables;
  tables.groups.push_back(group_of(300, 0, hardware()));
  for (OperatorSample& s : tables.groups[0].samples) s.seconds *= 1e-3;
  EXPECT_THAT(refusal(tables), HasSubstr("is the latency in another unit?"));
}

TEST(Calibration, TimesAThousandfoldTooLongAreAMistakenUnitToo) {
  OperatorTables tables;
  tables.groups.push_back(group_of(300, 0, hardware()));
  for (OperatorSample& s : tables.groups[0].samples) s.seconds *= 1e3;
  EXPECT_THAT(refusal(tables), HasSubstr("is the latency in another unit?"));
  EXPECT_THAT(refusal(tables), HasSubstr("none takes less than"));
}

}  // namespace
}  // namespace tollgate
