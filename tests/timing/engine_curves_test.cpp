#include "sim/timing/engine_curves.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "sim/spec/library.h"
#include "sim/timing/compute_path.h"

namespace tollgate {
namespace {

using ::testing::HasSubstr;

Library& library() {
  static Library books(TOLLGATE_REPOSITORY "/models");
  return books;
}
EngineCurves curves(const char* device, const char* engine, bool strict = false) {
  return EngineCurves(std::make_shared<CurveFiles>(library()), library().hardware(device, {}),
                      library().engine(engine, {}), strict);
}

TEST(KernelWish, MeetsTheTailAndPartsOfAName) {
  EXPECT_TRUE((KernelWish{".d128", "", ""}.meets("fa3.d128")));
  EXPECT_FALSE((KernelWish{".d128", "", ""}.meets("fa3.d128.mha")));
  EXPECT_FALSE((KernelWish{".d128", "", ""}.meets("fa3")));
  EXPECT_TRUE((KernelWish{"", "update", ".verify"}.meets("causal_conv1d_update")));
  EXPECT_FALSE((KernelWish{"", "update", ".verify"}.meets("causal_conv1d_update.verify")));
  EXPECT_TRUE((KernelWish{}.meets("")));
}

TEST(EngineCurves, ACurveIsResolvedOnceAndStaysWhereItIs) {
  const EngineCurves vllm = curves("H200-SXM", "vllm");
  const StepCurve& a = vllm.of("all_reduce", "bf16");
  vllm.of("elementwise", bytes_precision);
  EXPECT_EQ(&a, &vllm.of("all_reduce", "bf16"));
  EXPECT_EQ(a.choice.rule, TransferRule::none);
  EXPECT_GT(a.launch, 0);
  EXPECT_NEAR(a.log_sd, std::log(a.choice.high / a.choice.low) / 2 / 1.2816, 1e-5);
}

TEST(EngineCurves, WeightsAndCachesAreNeverFoundInTheLastLevelCache) {
  const EngineCurves vllm = curves("H200-SXM", "vllm");
  EXPECT_EQ(vllm.of("elementwise", bytes_precision).choice.context.device.l2, 0);
  EXPECT_GT(vllm.of("elementwise", bytes_precision, {}, Data::warm).choice.context.device.l2, 0);
}

TEST(EngineCurves, AnotherEngineOnTheDeviceStandsInAndSaysSo) {
  const EngineCurves vllm = curves("H200-SXM", "vllm");
  const StepCurve& exchange = vllm.of("dispatch_low_latency", "fp8");
  EXPECT_EQ(exchange.choice.rule, TransferRule::backend);
  EXPECT_THAT(exchange.choice.note, HasSubstr("dispatch_low_latency, vllm, fp8"));
  EXPECT_THAT(exchange.choice.note, HasSubstr("H200-SXM"));
  const StepCurve& deepep = vllm.of("dispatch_low_latency", "fp8", {}, Data::cold, "sglang");
  EXPECT_EQ(deepep.choice.rule, TransferRule::none);
  EXPECT_LT(deepep.log_sd, exchange.log_sd);
}

TEST(EngineCurves, AKernelCanComeFromTheTableThatMeasuredIt) {
  EngineSpec engine = library().engine("vllm", {});
  engine.kernels = {{"moe", "mxfp4", "marlin", "sglang", "int4", {}, ExpertLayout::any, 0, {}}};
  const EngineCurves borrowing(std::make_shared<CurveFiles>(library()),
                               library().hardware("H200-SXM", {}), engine);
  const StepCurve& taken = borrowing.of("moe", "mxfp4");
  const EngineCurves sglang = curves("H200-SXM", "sglang");
  const std::vector<KernelWish> marlin{{"", "marlin", ""}};
  const StepCurve& measured = sglang.of("moe", "int4", marlin);
  EXPECT_EQ(taken.choice.parameters, measured.choice.parameters);
  EXPECT_EQ(taken.choice.rule, TransferRule::none);
  EXPECT_NE(taken.choice.parameters,
            curves("H200-SXM", "vllm").of("moe", "mxfp4").choice.parameters);
}

TEST(EngineCurves, StrictRefusesAStandInByName) {
  const EngineCurves strict = curves("H100-SXM", "vllm", true);
  EXPECT_NO_THROW(strict.of("all_reduce", "bf16"));
  EXPECT_NO_THROW(strict.of("elementwise", bytes_precision, {}, Data::warm, "cuda"));
  try {
    strict.of("mla_decode", "fp8");
    FAIL() << "vLLM's latent decode kernels were timed eagerly and are left out";
  } catch (const InputError& error) {
    for (const char* part : {"--strict", "mla_decode", "fp8", "H100-SXM"}) {
      EXPECT_THAT(error.what(), HasSubstr(part));
    }
  }
}

TEST(number_format_of, follows_the_publisher_and_the_units_of_the_device) {
  PeakRates hopper;
  hopper.bf16 = 989e12;
  hopper.fp8 = hopper.int8 = 1979e12;
  PeakRates blackwell = hopper;
  blackwell.fp4 = 9000e12;
  PeakRates ampere;
  ampere.bf16 = 312e12;
  EXPECT_EQ(number_format_of(Precision::fp8, true, hopper), "fp8_block");
  EXPECT_EQ(number_format_of(Precision::fp8, false, hopper), "fp8");
  EXPECT_EQ(number_format_of(Precision::fp8, true, ampere), "w8a16");
  EXPECT_EQ(number_format_of(Precision::nvfp4, false, blackwell), "nvfp4");
  EXPECT_EQ(number_format_of(Precision::nvfp4, false, hopper), "mxfp4");
  EXPECT_EQ(number_format_of(Precision::mxfp4, true, hopper), "mxfp4");
  EXPECT_EQ(number_format_of(Precision::mxfp4, true, blackwell), "mxfp4_fp8");
  EXPECT_EQ(number_format_of(Precision::int4, true, hopper), "int4");
  EXPECT_EQ(number_format_of(Precision::fp32, true, hopper), "bf16");
}

}  // namespace
}  // namespace tollgate
