#include "sim/operators/curve_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "sim/spec/library.h"
#include "temporary_file.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;
using testing_operators::Folder;

FittedCurve curve(const std::string& backend, const std::string& precision,
                  const std::string& kernel, double launch, double rows) {
  FittedCurve c;
  c.op = "dispatch";
  c.backend = backend;
  c.version = "1.2.3";
  c.precision = precision;
  c.kernel = kernel;
  c.preferred = true;
  c.source = "a test";
  c.date = "2026-01-01";
  c.rows = rows;
  c.fitted = 80;
  c.held_out = 20;
  c.parameters = {launch, 1e-6, 2e-8, 3e-9, 0.6, 0.9};
  c.lowest = {2, 1, 1024, 1, 4};
  c.highest = {8, 4096, 8192, 8, 24};
  c.median_ape = 0.05;
  c.p90_ape = 0.12;
  c.coverage = 0.8;
  c.low = 0.9;
  c.high = 1.1;
  return c;
}

constexpr std::array<double, 5> inside{8, 128, 7168, 8, 20};
constexpr std::array<double, 5> outside{8, 16384, 7168, 8, 20};

/// models/ with the shipped devices and the operator curves of a test.
class CurveSets : public ::testing::Test {
 protected:
  CurveSets() {
    for (const char* part : {"llm", "hardware"}) {
      std::filesystem::create_directories(folder_.path(part));
    }
    for (const auto& entry :
         std::filesystem::directory_iterator(TOLLGATE_REPOSITORY "/models/hardware")) {
      if (entry.is_regular_file()) {
        std::filesystem::copy(entry.path(), folder_.path("hardware"));
      }
    }
  }
  void ship(const std::string& device, std::vector<FittedCurve> curves) {
    DeviceCurves all;
    all.name = device;
    all.curves = std::move(curves);
    folder_.write("hardware/operators/" + device + ".yaml", to_text(all));
  }
  CurveSet of(const std::string& device) {
    return CurveSet(library_, library_.hardware(device, {}));
  }

  Folder folder_;
  Library library_{folder_.path("")};
};

TEST_F(CurveSets, AMeasuredCurveIsFittedInsideItsRangeAndExtrapolatedOutside) {
  ship("H100-SXM", {curve("vllm", "fp8", "a", 1e-5, 100)});
  CurveSet set = of("H100-SXM");
  const CurveChoice found = set.find({"dispatch", "vllm", "fp8", ""}, true);
  EXPECT_EQ(found.note, "");
  const Estimate a = found.seconds(inside), b = found.seconds(outside);
  EXPECT_EQ(a.provenance, Provenance::fitted);
  EXPECT_NEAR(a.low / a.value, 0.9, 1e-9);
  EXPECT_NEAR(a.high / a.value, 1.1, 1e-9);
  EXPECT_EQ(b.provenance, Provenance::extrapolated);
  EXPECT_GT(b.high / b.value, 1.1);
  EXPECT_LT(b.low / b.value, 0.9);
}

TEST_F(CurveSets, TheOrderOfStandIns) {
  const OperatorKey wanted{"dispatch", "vllm", "fp8", ""};
  ship("H200-SXM", {curve("vllm", "fp8", "d", 4e-5, 100)});
  EXPECT_EQ(of("H100-SXM").find(wanted).rule, TransferRule::device);
  EXPECT_DOUBLE_EQ(of("H100-SXM").find(wanted).parameters[0], 4e-5);
  ship("H100-SXM", {curve("vllm", "bf16", "c", 3e-5, 100)});
  EXPECT_EQ(of("H100-SXM").find(wanted).rule, TransferRule::precision);
  EXPECT_DOUBLE_EQ(of("H100-SXM").find(wanted).parameters[0], 3e-5);
  ship("H100-SXM", {curve("vllm", "bf16", "c", 3e-5, 100), curve("sglang", "fp8", "b", 2e-5, 100)});
  EXPECT_EQ(of("H100-SXM").find(wanted).rule, TransferRule::backend);
  EXPECT_DOUBLE_EQ(of("H100-SXM").find(wanted).parameters[0], 2e-5);
  ship("H100-SXM", {curve("vllm", "fp8", "a", 1e-5, 100), curve("sglang", "fp8", "b", 2e-5, 100)});
  EXPECT_EQ(of("H100-SXM").find(wanted).rule, TransferRule::none);
}

TEST_F(CurveSets, AStandInSaysSoWidensItsBandAndStrictRefusesIt) {
  ship("H200-SXM", {curve("vllm", "fp8", "d", 4e-5, 100)});
  CurveSet set = of("H100-SXM");
  const OperatorKey wanted{"dispatch", "vllm", "fp8", ""};
  const CurveChoice found = set.find(wanted);
  EXPECT_THAT(found.note, HasSubstr("not measured on H100-SXM"));
  EXPECT_THAT(found.note, HasSubstr("on H200-SXM stands in"));
  const Estimate e = found.seconds(inside);
  EXPECT_EQ(e.provenance, Provenance::assumed);
  // In quadrature: ln 1.1 and ln of the rule's factor.
  const double expected =
      std::exp(std::hypot(std::log(1.1), std::log(widening(found.rule, "dispatch"))));
  EXPECT_NEAR(e.high / e.value, expected, 1e-9);
  EXPECT_THROW(set.find(wanted, true), InputError);
}

/// A kernel that is asked for: first as measured here, then on the same architecture, then under
/// another engine here; a different kernel of the engine only where there is none of these.
TEST_F(CurveSets, AnAskedKernelComesFromTheSameArchitectureFirst) {
  const OperatorKey key{"dispatch", "vllm", "fp8", ""};
  const std::array<KernelWish, 1> wish{{{"", "fast", ""}}};
  const auto launch_on_h100 = [&] { return of("H100-SXM").find(key, wish, false).parameters[0]; };
  ship("H100-SXM", {curve("vllm", "fp8", "slow", 1e-5, 100)});
  ship("B200-SXM", {curve("vllm", "fp8", "fast", 2e-5, 100)});
  EXPECT_DOUBLE_EQ(launch_on_h100(), 1e-5) << "Blackwell's is another kernel";
  EXPECT_EQ(of("H100-SXM").find(key, wish, false).rule, TransferRule::backend);
  ship("H100-SXM",
       {curve("vllm", "fp8", "slow", 1e-5, 100), curve("sglang", "fp8", "fast", 3e-5, 100)});
  EXPECT_DOUBLE_EQ(launch_on_h100(), 3e-5);
  ship("H200-SXM", {curve("vllm", "fp8", "fast", 4e-5, 100)});
  EXPECT_DOUBLE_EQ(launch_on_h100(), 4e-5);
  EXPECT_EQ(of("H100-SXM").find(key, wish, false).rule, TransferRule::device);
  ship("H100-SXM",
       {curve("vllm", "fp8", "slow", 1e-5, 100), curve("vllm", "fp8", "fast", 5e-5, 10)});
  EXPECT_DOUBLE_EQ(launch_on_h100(), 5e-5);
  EXPECT_EQ(of("H100-SXM").find(key, wish, false).rule, TransferRule::none);
}

/// The shares of one device on the datasheet of another: a slower link makes the same call slower.
TEST_F(CurveSets, AnotherDevicesSharesMeetThisDatasheet) {
  ship("H100-SXM", {curve("vllm", "fp8", "d", 4e-5, 100)});
  const OperatorKey wanted{"dispatch", "vllm", "fp8", ""};
  const double h100 = of("H100-SXM").find(wanted).seconds(outside).value;
  const double h800 = of("H800-SXM").find(wanted).seconds(outside).value;  // 200 of 450 GB/s
  EXPECT_GT(h800, 1.2 * h100);
}

/// Where no close relative was measured, one device of each architecture gives the geometric mean,
/// of those with the same instructions if there is one: A100's are Ada's, not Hopper's.
TEST_F(CurveSets, DevicesOfSeveralArchitecturesStandInTogether) {
  const auto bare = [](double launch) {
    FittedCurve c = curve("vllm", "bf16", "k", launch, 100);
    c.op = "elementwise";
    c.precision = "bytes";
    c.parameters = {launch, 0.8, 1.5};
    c.lowest = {1e3};
    c.highest = {1e9};
    return c;
  };
  const OperatorKey wanted{"elementwise", "vllm", "bytes", ""};
  const std::array bytes{1e8};
  ship("H100-SXM", {bare(4e-6)});
  ship("H200-SXM", {bare(9e-6)});
  ship("B200-SXM", {bare(3e-6)});
  const CurveChoice two = of("A100-SXM").find(wanted);
  EXPECT_EQ(two.rule, TransferRule::architecture);
  ASSERT_EQ(two.others.size(), 1u);  // H100 and B200; H200 is of H100's architecture
  const double one = two.curve->seconds(bytes.data(), two.context, two.parameters.data());
  const double other = two.curve->seconds(bytes.data(), two.context, two.others.front().data());
  EXPECT_NEAR(two.seconds(bytes).value, std::sqrt(one * other), 1e-12);
  EXPECT_NEAR(two.parameter("launch"), std::sqrt(two.parameters[0] * two.others[0][0]), 1e-15);
  // Launches go over with the clock: H100 at 1.83, L40S at 2.49, A100 at 1.41 GHz.
  EXPECT_NEAR(two.parameters[0] / 4e-6, 1.83 / 1.41, 0.01);
  ship("L40S", {bare(1e-6)});
  const CurveChoice ada = of("A100-SXM").find(wanted);
  EXPECT_TRUE(ada.others.empty());
  EXPECT_NEAR(ada.parameters[0] / 1e-6, 2.49 / 1.41, 0.01);
  // A relative is asked alone.
  ship("RTX-PRO-6000", {bare(2e-6)});
  EXPECT_TRUE(of("L4").find(wanted).others.empty());
}

TEST_F(CurveSets, WithoutAnyMeasurementTheStartStandsInWithAWideBand) {
  const CurveChoice found = of("TPU-v7").find({"elementwise", "any", "bytes", ""});
  EXPECT_EQ(found.rule, TransferRule::start);
  const Estimate e = found.seconds(std::array{1e6});
  EXPECT_EQ(e.provenance, Provenance::assumed);
  EXPECT_NEAR(e.high / e.value, 3, 1e-9);
  EXPECT_THAT(found.note, HasSubstr("assumed constants"));
}

TEST_F(CurveSets, AFileOfAnotherDeviceIsRefused) {
  ship("H200-SXM", {curve("vllm", "fp8", "d", 4e-5, 100)});
  std::filesystem::rename(folder_.path("hardware/operators/H200-SXM.yaml"),
                          folder_.path("hardware/operators/H100-SXM.yaml"));
  CurveSet set = of("H100-SXM");
  EXPECT_THROW(set.find({"dispatch", "vllm", "fp8", ""}), InputError);
}

TEST_F(CurveSets, UnknownNamesAreInputErrors) {
  CurveSet set = of("H100-SXM");
  EXPECT_THROW(set.find({"dispach", "vllm", "fp8", ""}), InputError);
  EXPECT_THROW(set.find({"dispatch", "vllm", "fp3", ""}), InputError);
}

TEST(Donors, EveryShippedDeviceHasSomeThatAreShippedToo) {
  const auto names = Library(TOLLGATE_REPOSITORY "/models").names(Library::Shelf::hardware);
  for (const std::string& name : names) {
    const auto donors = donors_of(name);
    EXPECT_FALSE(donors.empty());
    for (const std::string& donor : donors) {
      EXPECT_NE(donor, name);
      EXPECT_THAT(names, ::testing::Contains(donor)) << name;
    }
  }
}

TEST(Coefficients, WrittenCurvesReadBackTheSame) {
  DeviceCurves curves;
  curves.name = "H100-SXM";
  curves.curves = {curve("vllm", "fp8", "a", 1.23457e-5, 100),
                   curve("sglang", "bf16", "", 9.87654e-7, 12345)};
  curves.curves[1].preferred = false;
  const std::string text = to_text(curves);
  YamlPtr tree = parse_yaml(text, "t.yaml");
  std::erase_if(tree->entries, [](const auto& e) { return e.key == "schema_version"; });
  const DeviceCurves again = device_curves_schema().read(*tree, "");
  EXPECT_EQ(to_text(again), text);
  ASSERT_EQ(again.curves.size(), 2u);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_DOUBLE_EQ(again.curves[0].parameters[i], curves.curves[0].parameters[i]);
  }
  EXPECT_EQ(again.curves[1].highest, curves.curves[1].highest);
  EXPECT_EQ(again.curves[1].key(), curves.curves[1].key());
  EXPECT_THAT(text, HasSubstr("launch: 12.3457 us"));
}

TEST(Coefficients, WrongFilesAreRefused) {
  DeviceCurves curves;
  curves.name = "H100-SXM";
  curves.curves = {curve("vllm", "fp8", "a", 1e-5, 100)};
  const auto refusal = [&](const std::string& from, const std::string& to) {
    std::string text = to_text(curves);
    text.replace(text.find(from), from.size(), to);
    YamlPtr tree = parse_yaml(text, "t.yaml");
    std::erase_if(tree->entries, [](const auto& e) { return e.key == "schema_version"; });
    try {
      device_curves_schema().read(*tree, "");
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string("nothing was refused");
  };
  EXPECT_THAT(refusal("launch: 10 us", "launch: 10"), HasSubstr("launch"));
  EXPECT_THAT(refusal("launch: 10 us", "launch: 10 s"), HasSubstr("launch"));
  EXPECT_THAT(refusal("launch: 10 us", "lunch: 10 us"), HasSubstr("lacks launch"));
  EXPECT_THAT(refusal("op: dispatch", "op: dispath"), HasSubstr("Did you mean 'dispatch'?"));
  EXPECT_THAT(refusal("low: 0.9", "low: 1.3"), HasSubstr("above its high"));
  EXPECT_THAT(refusal("precision: fp8", "precision: fp7"), HasSubstr("no number format"));
}

/// Every shipped file reads, names a device, and holds the accuracy that docs/method.md states.
TEST(Coefficients, ShippedFilesRead) {
  Library library(TOLLGATE_REPOSITORY "/models");
  int files = 0;
  for (const std::string& name : library.names(Library::Shelf::hardware)) {
    const YamlPtr tree = library.operator_curves(name);
    if (!tree) continue;
    SCOPED_TRACE(name);
    const DeviceCurves curves = device_curves_schema().read(*tree, "");
    EXPECT_EQ(curves.name, name);
    EXPECT_FALSE(curves.curves.empty());
    ++files;
  }
  EXPECT_GE(files, 9);
}

}  // namespace
}  // namespace tollgate
