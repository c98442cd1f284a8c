// Constants of a curve on another device's datasheet, each against what is known of it.
#include "sim/operators/transfer.h"

#include <gmock/gmock.h>

#include <cmath>
#include <optional>

#include "sim/operators/curve_set.h"
#include "sim/operators/known_bad.h"
#include "sim/spec/library.h"

namespace tollgate {
namespace {

using testing::HasSubstr;

HardwareSpec device(const std::string& name) {
  return Library(TOLLGATE_REPOSITORY "/models").hardware(name, {"test", 0, 0});
}

FittedCurve at_start(const std::string& op, const std::string& precision) {
  FittedCurve c;
  c.op = op;
  c.precision = precision;
  for (const CurveParameter& p : c.curve().parameters()) c.parameters.push_back(p.start);
  for (std::size_t i = 0; i < c.curve().columns().size(); ++i) {
    c.lowest.push_back(1);
    c.highest.push_back(1e9);
  }
  return c;
}

double& parameter(FittedCurve& c, std::string_view name) {
  const auto all = c.curve().parameters();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].name == name) return c.parameters[i];
  }
  throw std::logic_error("no parameter " + std::string(name));
}

FittedCurve on(const FittedCurve& c, const std::string& from, const std::string& to) {
  FittedCurve out = c;
  out.parameters = carried(c, find_number_format(c.precision), device(from), device(to));
  return out;
}

/// H100 and H200 have the same processors at the same clock and differ in memory, 3.35 and 4.8
/// TB/s: what no memory takes part in lasts the same on both, here a product of loads alone.
TEST(Transfer, LoadsOfATileTakeTheSameTimeWithAnotherMemory) {
  FittedCurve h100 = at_start("gemm", "bf16");
  FittedCurve h200 = on(h100, "H100-SXM", "H200-SXM");
  EXPECT_NEAR(parameter(h200, "load") * device("H200-SXM").memory_bandwidth,
              parameter(h100, "load") * device("H100-SXM").memory_bandwidth, 1);
  EXPECT_DOUBLE_EQ(parameter(h200, "memory"), parameter(h100, "memory"));
  EXPECT_DOUBLE_EQ(parameter(h200, "launch"), parameter(h100, "launch"));
  // Between architectures the share stays.
  FittedCurve b200 = on(h100, "H100-SXM", "B200-SXM");
  EXPECT_DOUBLE_EQ(parameter(b200, "load"), parameter(h100, "load"));
}

TEST(Transfer, ACachedByteTakesTheSameTimeWithAnotherMemory) {
  FittedCurve h100 = at_start("short_convolution", "bf16");
  FittedCurve l40s = on(h100, "H100-SXM", "L40S");
  EXPECT_NEAR(parameter(l40s, "l2") / device("L40S").memory_bandwidth,
              parameter(h100, "l2") / device("H100-SXM").memory_bandwidth, 1e-18);
}

/// Measured with NVFP4: 0.58 ns per element of k on B200, 3.2 to 3.6 on RTX PRO 6000
/// (aiconfigurator 095f58a5, fitted), both one tile of 128 x 128 at the peak of a processor.
TEST(Transfer, TheSmallestTileGoesOverWithThePeakOfAProcessor) {
  FittedCurve b200 = at_start("gemm", "nvfp4");
  parameter(b200, "k_step") = 0.58e-9;
  FittedCurve rtx = on(b200, "B200-SXM", "RTX-PRO-6000");
  EXPECT_GT(parameter(rtx, "k_step"), 2.8e-9);
  EXPECT_LT(parameter(rtx, "k_step"), 3.6e-9);
  // A step that is longer than its tile waits for something else: one tile at most.
  parameter(b200, "k_step") = 1.2e-9;
  rtx = on(b200, "B200-SXM", "RTX-PRO-6000");
  EXPECT_LT(parameter(rtx, "k_step"), 3.6e-9);
  // Within an architecture it stays, whatever the datasheets state.
  FittedCurve b300 = on(b200, "B200-SXM", "B300-SXM");
  EXPECT_DOUBLE_EQ(parameter(b300, "k_step"), 1.2e-9);
}

/// Fitted to bf16 of vLLM (aiconfigurator 095f58a5): 0.688 of the peak on L40S, 0.930 on RTX PRO
/// 6000, 0.957 on A100, which have a third more watts for a FLOP/s.
TEST(Transfer, DenseProductsReachWhatTheBoardsPowerAllows) {
  FittedCurve l40s = at_start("gemm", "bf16");
  parameter(l40s, "compute") = 0.688;
  for (const auto& [name, measured] : {std::pair{"RTX-PRO-6000", 0.930}, {"A100-SXM", 0.957}}) {
    FittedCurve there = on(l40s, "L40S", name);
    EXPECT_NEAR(parameter(there, "compute"), measured, 0.05) << name;
    FittedCurve back = on(there, name, "L40S");
    EXPECT_NEAR(parameter(back, "compute"), 0.688, 1e-9) << name;
  }
  // H100 and H200 have the same processors and the same power; GH200's limit counts its CPU; no
  // share exceeds the peak.
  FittedCurve h100 = at_start("gemm", "bf16");
  EXPECT_DOUBLE_EQ(parameter(h100, "compute"), 0.8);
  FittedCurve h200 = on(h100, "H100-SXM", "H200-SXM"), card = on(h100, "H100-SXM", "H20-SXM");
  FittedCurve gh200 = on(h100, "H100-SXM", "GH200");
  FittedCurve pcie = on(h100, "H100-SXM", "H100-PCIe");
  EXPECT_DOUBLE_EQ(parameter(h200, "compute"), 0.8);
  EXPECT_DOUBLE_EQ(parameter(gh200, "compute"), 0.8);
  EXPECT_DOUBLE_EQ(parameter(card, "compute"), 0.9) << "cut matrix units, below";
  EXPECT_NEAR(parameter(pcie, "compute"), 0.8 * (350.0 / 756) / (700.0 / 989), 1e-12);
  parameter(h100, "compute") = 0.95;
  FittedCurve a100 = on(h100, "H100-SXM", "A100-SXM");
  EXPECT_DOUBLE_EQ(parameter(a100, "compute"), 1);
}

/// TensorRT-LLM 1.0 takes 79 ns a position on L40S (aiconfigurator 095f58a5, fitted) and 120 ns on
/// A100, whose clock is slower by 1.77 but whose processor multiplies twice as much in a cycle.
/// H20 is H100's chip with matrix units of a quarter of the rate: decode attention, which
/// instructions keep at a fifth of H100's peak, comes near H20's, and a launch takes as long as on
/// H100.
TEST(Transfer, CutMatrixUnitsDoNotSlowTheRestOfAProcessor) {
  EXPECT_NEAR(clock_of(device("H20-SXM")) / clock_of(device("H100-SXM")), 1, 0.15);
  FittedCurve attention = at_start("decode_attention", "bf16");
  for (const auto& [share, expected] : {std::pair{0.19, 0.81}, {0.5, 0.9}, {0.95, 0.95}}) {
    parameter(attention, "compute") = share;
    FittedCurve h20 = on(attention, "H100-SXM", "H20-SXM"),
                h800 = on(attention, "H100-SXM", "H800-SXM"),
                b200 = on(attention, "H100-SXM", "B200-SXM");
    EXPECT_NEAR(parameter(h20, "compute"), expected, 0.12);
    EXPECT_DOUBLE_EQ(parameter(h800, "compute"), share);
    EXPECT_DOUBLE_EQ(parameter(b200, "compute"), share);
    EXPECT_NEAR(parameter(h20, "launch") / parameter(attention, "launch"), 1, 0.15);
  }
}

TEST(Transfer, APositionOfLatentAttentionGoesOverByProductsAndClock) {
  FittedCurve l40s = at_start("mla_decode", "bf16");
  parameter(l40s, "serial") = 79.1e-9;
  FittedCurve a100 = on(l40s, "L40S", "A100-SXM");
  EXPECT_NEAR(parameter(a100, "serial"), 120e-9, 40e-9);
  const double clocks = clock_of(device("L40S")) / clock_of(device("A100-SXM"));
  EXPECT_LT(parameter(a100, "serial"), 79.1e-9 * clocks);
  EXPECT_NEAR(parameter(a100, "serial"),
              139264.0 * 108 / 312e12 + (79.1e-9 - 139264.0 * 142 / 362e12) * clocks, 1e-12);
  // Several processors share an item.
  parameter(l40s, "serial") = 5e-9;
  a100 = on(l40s, "L40S", "A100-SXM");
  EXPECT_NEAR(parameter(a100, "serial"), 5e-9 * clocks, 1e-15);
}

TEST(Transfer, OnlyASwitchGainsBandwidthWithMoreRanks) {
  FittedCurve h100 = at_start("all_reduce", "bf16");
  parameter(h100, "gain_late") = 1.24;
  FittedCurve h200 = on(h100, "H100-SXM", "H200-SXM"), rtx = on(h100, "H100-SXM", "RTX-PRO-6000");
  EXPECT_DOUBLE_EQ(parameter(h200, "gain_late"), 1.24);
  EXPECT_DOUBLE_EQ(parameter(rtx, "gain_late"), 1);
}

/// NCCL's own latencies of a hop, src/graph/tuning.cc: 0.6 us over NVLink, 1 us over PCIe.
TEST(Transfer, HopsOverPcieTakeAsMuchLongerAsNcclReckons) {
  FittedCurve h100 = at_start("all_gather", "bytes");
  FittedCurve rtx = on(h100, "H100-SXM", "RTX-PRO-6000"), h200 = on(h100, "H100-SXM", "H200-SXM");
  EXPECT_NEAR(parameter(rtx, "per_rank") / parameter(h100, "per_rank"), 1 / 0.6, 1e-9);
  EXPECT_NEAR(parameter(rtx, "ring") / parameter(h100, "ring"), 1 / 0.6, 1e-9);
  EXPECT_DOUBLE_EQ(parameter(h200, "per_rank"), parameter(h100, "per_rank"));
}

/// Eight ranks on PCIe send through the host at 22 GB/s, two at their link's rate; large messages
/// pay 6 further hops of 4.7 us. NVLink does not pass the host.
TEST(Transfer, ARingOverPcieCrossesTheHost) {
  FittedCurve c = at_start("all_gather", "bytes");
  c.kernel = "nccl";
  parameter(c, "late") = 0.6;
  parameter(c, "gain_late") = 1;
  parameter(c, "switch") = 1.6e-5;
  FittedCurve over = c;
  const HardwareSpec rtx = device("RTX-PRO-6000");
  cross_host(over, rtx, over.parameters);
  EXPECT_NEAR(0.6 * 64e9 * std::pow(parameter(over, "gain_late"), 2), host_crossing, 1);
  EXPECT_DOUBLE_EQ(parameter(over, "late"), 0.6);
  EXPECT_NEAR(1.6e-5 * std::pow(parameter(over, "gain_switch"), 2), 1.6e-5 + 6 * 4.7e-6, 1e-10);
  // The protocol of middle messages has the same gain: where it is the quicker one, it decides.
  FittedCurve middle = c;
  parameter(middle, "middle") = 0.9;
  cross_host(middle, rtx, middle.parameters);
  EXPECT_NEAR(0.9 * 64e9 * std::pow(parameter(middle, "gain_late"), 2), host_crossing, 1);
  const CurveContext context{device_of(rtx), nullptr};
  const double shape[] = {8, 1e9};
  EXPECT_GE(c.curve().seconds(shape, context, middle.parameters.data()),
            7.0 / 8 * 1e9 / host_crossing);
  const double seconds = c.curve().seconds(shape, context, over.parameters.data());
  EXPECT_NEAR(7.0 / 8 * 1e9 / seconds, host_crossing, 0.01 * host_crossing);
  FittedCurve nvlink = c;
  cross_host(nvlink, device("H100-SXM"), nvlink.parameters);
  EXPECT_EQ(nvlink.parameters, c.parameters);
}

/// Two channels to a peer, whatever the generation: the rate stays, not the share of the link.
TEST(Transfer, ExchangesOverPcieGoOverAsARate) {
  FittedCurve l40s = at_start("all_to_all", "bytes"), gathers = at_start("all_gather", "bytes");
  FittedCurve rtx = on(l40s, "L40S", "RTX-PRO-6000");
  EXPECT_NEAR(parameter(rtx, "late") * 64e9, parameter(l40s, "late") * 32e9, 1);
  // Of PCIe 4 x16 no more than 24 GB/s.
  parameter(rtx, "late") = 0.45;
  FittedCurve back = on(rtx, "RTX-PRO-6000", "L40S");
  EXPECT_DOUBLE_EQ(parameter(back, "late") * 32e9, 24e9);
  rtx = on(gathers, "L40S", "RTX-PRO-6000");
  EXPECT_DOUBLE_EQ(parameter(rtx, "late"), parameter(gathers, "late"));
  const FittedCurve h200 = on(l40s, "H100-SXM", "H200-SXM");
  EXPECT_EQ(h200.parameters.at(5), l40s.parameters.at(5));
}

TEST(Transfer, ConstantsStayWithinTheLimitsOfTheCurve) {
  for (const OperatorCurve* curve : operator_curves()) {
    for (const char* to : {"A100-SXM", "L40S", "B300-SXM", "MI300X"}) {
      const std::string op(curve->op());
      const FittedCurve there =
          on(at_start(op, op == "elementwise" ? "bytes" : "bf16"), "H100-SXM", to);
      const auto limits = curve->parameters();
      for (std::size_t i = 0; i < limits.size(); ++i) {
        EXPECT_GE(there.parameters[i], limits[i].low) << op << " " << limits[i].name;
        EXPECT_LE(there.parameters[i], limits[i].high) << op << " " << limits[i].name;
      }
    }
  }
}

/// L40S was measured with working peer-to-peer on two ranks only; what more add comes from a device
/// measured on more, and does not change two.
TEST(Transfer, WhatMoreRanksAddComesFromADeviceThatHasThem) {
  FittedCurve two = at_start("all_gather", "bytes");
  EXPECT_FALSE(growth_is_open(two));
  two.highest[0] = two.lowest[0] = 2;
  EXPECT_TRUE(growth_is_open(two));
  EXPECT_FALSE(growth_is_open(at_start("gemm", "bf16")));
  FittedCurve eight = at_start("all_gather", "bytes");
  parameter(eight, "per_rank") = 3e-6;
  parameter(eight, "gain_late") = 0.8;
  FittedCurve both = two;
  take_growth(two.curve(), eight.parameters, both.parameters);
  const CurveContext context{device_of(device("L40S")), nullptr};
  const auto seconds = [&](const FittedCurve& c, double ranks) {
    const double shape[] = {ranks, 1e8};
    return c.curve().seconds(shape, context, c.parameters.data());
  };
  EXPECT_DOUBLE_EQ(seconds(both, 2), seconds(two, 2));
  EXPECT_DOUBLE_EQ(seconds(both, 8), seconds(eight, 8));
  EXPECT_GT(seconds(both, 8), seconds(two, 8));
}

TEST(KnownBad, OfL40SOnlyMoreThanTwoRanks) {
  const OperatorKey key{"all_reduce", "nccl", "bf16", "nccl"};
  EXPECT_EQ(known_bad_reason("L40S", key), "");
  EXPECT_EQ(known_bad_reason("L40S", key, std::array{2.0, 1e6}), "");
  EXPECT_THAT(std::string(known_bad_reason("L40S", key, std::array{4.0, 1e6})),
              HasSubstr("peer-to-peer"));
  EXPECT_EQ(known_bad_reason("RTX-PRO-6000", key, std::array{4.0, 1e6}), "");
}

// The shipped curves: what stands in for a device as if it had not been measured.
class ShippedCurves : public testing::Test {
 protected:
  std::optional<CurveChoice> for_device(const std::string& name, const OperatorKey& key) {
    return CurveSet(library_, device(name)).by_rule(key, TransferRule::device);
  }
  Library library_{TOLLGATE_REPOSITORY "/models"};
};

/// Ampere has no wgmma: its kernels are those of Ada and of the RTX cards, and FlashAttention there
/// is FlashAttention, whichever engine calls it.
TEST_F(ShippedCurves, KernelsComeFromDevicesWithTheSameInstructionsAndLibrary) {
  const auto found =
      for_device("A100-SXM", {"decode_attention", "sglang", "bf16", "flash_attention.d128"});
  ASSERT_TRUE(found);
  EXPECT_THAT(found->note, HasSubstr("vllm_flash_attn_fa2.d128 on L40S"));
  EXPECT_THAT(found->note, HasSubstr("vllm_flash_attn_fa2.d128 on RTX-PRO-6000"));
  EXPECT_THAT(found->note, testing::Not(HasSubstr("H100")));
  // What crosses a link goes by the link.
  const auto link = for_device("A100-SXM", {"all_gather", "nccl", "bytes", "nccl"});
  ASSERT_TRUE(link);
  EXPECT_THAT(link->note, HasSubstr("H100-SXM"));
}

/// TensorRT-LLM's decode kernel for mma.sync walks a sequence on one processor, 90 ns a position
/// (RTX PRO 6000: 2.8 ms for 32,768), where Hopper's splits it.
TEST_F(ShippedCurves, AModuleDecodesWithAKernelThatRunsThere) {
  const auto found =
      for_device("RTX-PRO-6000", {"mla_decode_module", "trtllm", "bf16", "default.bf16"});
  ASSERT_TRUE(found);
  EXPECT_THAT(found->note, HasSubstr("Its attention is that of trtllm on L40S"));
  EXPECT_NEAR(found->parameter("serial"), 90e-9, 30e-9);
  const double long_one[] = {1, 32769, 1, 2};
  EXPECT_NEAR(found->value(long_one), 2.8e-3, 0.7e-3);
  const auto kin = for_device("H100-SXM", {"mla_decode_module", "trtllm", "bf16", "default.bf16"});
  ASSERT_TRUE(kin);
  EXPECT_LT(kin->parameter("serial"), 20e-9);
}

/// 8 sequences of 16,384 positions on RTX PRO 6000 with an fp8 cache: 0.29 ms for 128 heads, which
/// XQA's kernel takes, and 0.96 ms for 64 (aiconfigurator 095f58a5).
TEST_F(ShippedCurves, LatentDecodeOfAllHeadsTakesXqaOnRtxCards) {
  CurveSet curves(library_, device("RTX-PRO-6000"));
  const OperatorKey key{"mla_decode", "trtllm", "fp8", ""};
  const CurveChoice xqa = curves.find(key, std::vector<KernelWish>{{".xqa", "", ""}}, true);
  const CurveChoice other = curves.find(key, {}, true);
  const double all[] = {8, 16385, 128}, half[] = {8, 16385, 64};
  EXPECT_NEAR(xqa.value(all), 0.29e-3, 0.06e-3);
  EXPECT_NEAR(other.value(half), 0.96e-3, 0.1e-3);
}

TEST_F(ShippedCurves, AnEngineInAnotherStateStandsInForNobody) {
  const OperatorKey key{"mla_prefill_module", "vllm", "bf16", "FLASH_ATTN.bf16"};
  EXPECT_NE(stands_alone_reason("B200-SXM", key), "");
  EXPECT_EQ(known_bad_reason("B200-SXM", key), "");
  const auto found = for_device("B300-SXM", key);
  ASSERT_TRUE(found);
  EXPECT_THAT(found->note, testing::Not(HasSubstr("on B200-SXM")));
  // On its own device it holds.
  EXPECT_EQ(CurveSet(library_, device("B200-SXM")).find(key).rule, TransferRule::none);
}

}  // namespace
}  // namespace tollgate
