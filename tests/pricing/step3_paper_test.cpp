// Tables 2 to 6 of the Step-3 paper (arXiv 2507.19427, July 2025): work per decoded token and its
// least cost. The work is recomputed from models/llm, the prices from models/prices.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "sim/pricing/marginal_cost.h"
#include "sim/spec/library.h"
#include "sim/spec/price_lookup.h"

namespace tollgate {
namespace {

constexpr double context_8k = 8192;
constexpr double context_32k = 32768;

Library& library() {
  static Library books(std::string(TOLLGATE_REPOSITORY) + "/models");
  return books;
}

LlmSpec model(const std::string& name) { return library().model(name, {}); }

/// Two of the paper's models do not fit its 8-bit rule, and its text does not say why. What follows
/// reproduces every printed digit of both: the layers that see the whole context count two bytes
/// per cached element in hybrid models, chunked layers one, and a lightning state is fp32, read and
/// written.
DecodeWork paper_work(const LlmSpec& spec, double context) {
  DecodeWork work = decode_work(spec, context, step3_counting());
  if (spec.name != "Llama-4-Maverick" && spec.name != "MiniMax-M1") return work;
  DecodeCounting wide = step3_counting();
  wide.kv_bytes_per_element = 2;
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& a = spec.attentions[static_cast<std::size_t>(layer.attention)];
    if (a.kind == AttentionKind::linear || a.chunk > 0) continue;
    work.cache_bytes += attention_work(a, spec.hidden, context, wide).cache_bytes -
                        attention_work(a, spec.hidden, context, step3_counting()).cache_bytes;
  }
  return work;
}

/// True when `value` prints as `printed` with three significant digits.
testing::AssertionResult prints_as(double value, double printed) {
  const double unit = std::pow(10.0, std::floor(std::log10(printed)) - 2);
  if (std::fabs(value - printed) <= 0.501 * unit) return testing::AssertionSuccess();
  return testing::AssertionFailure() << value << " does not print as " << printed;
}

struct Row {
  const char* name;
  double cache, attention, linear, ffn;  // at 8 K
};

class Step3Table2 : public testing::TestWithParam<Row> {};

TEST_P(Step3Table2, WorkPerTokenAt8K) {
  const Row row = GetParam();
  const DecodeWork work = paper_work(model(row.name), context_8k);
  EXPECT_TRUE(prints_as(work.cache_bytes, row.cache));
  EXPECT_TRUE(prints_as(work.attention_flops, row.attention));
  EXPECT_TRUE(prints_as(work.linear_flops, row.linear));
  EXPECT_TRUE(prints_as(work.ffn_flops, row.ffn));
}

INSTANTIATE_TEST_SUITE_P(
    Models, Step3Table2,
    testing::Values(Row{"DeepSeek-V3", 2.88e8, 1.47e11, 2.28e10, 4.84e10},
                    Row{"Kimi-K2", 2.88e8, 7.37e10, 1.23e10, 4.84e10},
                    Row{"Qwen3-235B-A22B", 7.89e8, 2.52e10, 1.34e10, 2.84e10},
                    Row{"Qwen3-32B", 1.07e9, 1.72e10, 1.21e10, 5.03e10},
                    Row{"Llama-4-Maverick", 1.01e9, 8.05e9, 6.04e9, 2.42e10},
                    Row{"MiniMax-M1", 9.23e8, 3.42e9, 3.75e10, 5.44e10},
                    Row{"ERNIE-4.5-300B-A47B", 9.06e8, 1.45e10, 1.63e10, 7.61e10},
                    Row{"Pangu-Pro-MoE-72B-A16B", 8.05e8, 8.05e9, 6.04e9, 2.38e10},
                    Row{"Step-3", 2.56e8, 3.27e10, 2.07e10, 5.33e10}),
    [](const auto& row) {
      std::string name = row.param.name;
      std::erase_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); });
      return name;
    });

TEST(Step3Table, HybridModelsAt32K) {
  const DecodeWork maverick = paper_work(model("Llama-4-Maverick"), context_32k);
  EXPECT_TRUE(prints_as(maverick.cache_bytes, 2.21e9));
  EXPECT_TRUE(prints_as(maverick.attention_flops, 1.41e10));
  const DecodeWork m1 = paper_work(model("MiniMax-M1"), context_32k);
  EXPECT_TRUE(prints_as(m1.cache_bytes, 1.93e9));
  EXPECT_TRUE(prints_as(m1.attention_flops, 1.15e10));
}

struct Device {
  const char* hardware;
  double flops_per_second, bytes_per_second;  // table 4: 8-bit peak where there is one
};
constexpr Device devices[] = {{"H800-SXM", 1.98e15, 3.35e12},
                              {"H20-SXM", 2.96e14, 4.0e12},
                              {"A800-SXM", 3.12e14, 2.0e12},
                              {"Ascend-910B", 2.8e14, 1.6e12}};

ResourcePrice paper_price(const Device& device) {
  static const auto books = library().prices();
  const GpuPrice price = find_gpu_price(books, device.hardware, "paper", {});
  return resource_price(price.usd_per_hour, device.flops_per_second, device.bytes_per_second);
}

TEST(Step3Table, PricePerFlopAndByte) {
  const double flop[] = {2.80e-19, 7.51e-19, 6.68e-19, 6.65e-19};
  const double byte[] = {1.66e-16, 5.56e-17, 1.04e-16, 1.16e-16};
  for (int i = 0; i < 4; ++i) {
    const ResourcePrice price = paper_price(devices[i]);
    // The paper cuts 2.806e-19 to 2.80e-19.
    EXPECT_NEAR(price.usd_per_flop / flop[i], 1, 0.003) << devices[i].hardware;
    EXPECT_NEAR(price.usd_per_byte / byte[i], 1, 0.003) << devices[i].hardware;
  }
}

/// Our files may state other peaks, but the bandwidth and the 8-bit peak the paper uses are theirs.
TEST(Step3Table, DevicesAreTheOnesInTheLibrary) {
  for (const Device& device : devices) {
    const HardwareSpec spec = library().hardware(device.hardware, {});
    EXPECT_NEAR(spec.memory_bandwidth / device.bytes_per_second, 1, 0.02) << device.hardware;
    const double peak = spec.peak.fp8 > 0 ? spec.peak.fp8 : spec.peak.bf16;
    EXPECT_NEAR(peak / device.flops_per_second, 1, 0.02) << device.hardware;
  }
}

using Four = std::array<double, 4>;  // H800, H20, A800, 910B

struct CostRow {
  const char* name;
  Four attention_8k, attention_32k, ffn;
};
const CostRow costs[] = {
    {"DeepSeek-V3", {.054, .128, .114, .113}, {.197, .460, .409, .407}, {.014, .036, .032, .032}},
    {"Kimi-K2", {.051, .065, .057, .057}, {.194, .231, .205, .204}, {.014, .036, .032, .032}},
    {"Qwen3-235B-A22B",
     {.135, .054, .091, .101},
     {.527, .185, .338, .376},
     {.008, .021, .019, .019}},
    {"Qwen3-32B", {.181, .069, .120, .133}, {.716, .248, .455, .508}, {.014, .038, .034, .033}},
    {"Llama-4-Maverick",
     {.169, .060, .109, .121},
     {.369, .128, .235, .262},
     {.007, .018, .016, .016}},
    {"MiniMax-M1", {.164, .079, .121, .132}, {.330, .135, .226, .249}, {.015, .041, .036, .036}},
    {"ERNIE-4.5-300B-A47B",
     {.155, .063, .105, .116},
     {.606, .214, .388, .432},
     {.021, .057, .051, .051}},
    {"Pangu-Pro-MoE-72B-A16B",
     {.135, .049, .088, .098},
     {.536, .183, .340, .379},
     {.007, .018, .016, .016}},
    {"Step-3", {.048, .040, .040, .043}, {.176, .114, .120, .133}, {.015, .040, .036, .035}},
};

TEST(Step3Table, CostsOnFourDevices) {
  // Printed with three decimals from rounded inputs: half a unit, and as much again for those.
  constexpr double tolerance = 0.001;
  for (const CostRow& row : costs) {
    const LlmSpec spec = model(row.name);
    for (std::size_t i = 0; i < 4; ++i) {
      const ResourcePrice price = paper_price(devices[i]);
      const MarginalCost short_context = marginal_cost(paper_work(spec, context_8k), price);
      const MarginalCost long_context = marginal_cost(paper_work(spec, context_32k), price);
      const auto where = std::string(row.name) + " on " + devices[i].hardware;
      EXPECT_NEAR(short_context.attention(), row.attention_8k[i], tolerance) << where;
      EXPECT_NEAR(long_context.attention(), row.attention_32k[i], tolerance) << where;
      EXPECT_NEAR(short_context.ffn, row.ffn[i], tolerance) << where;
    }
  }
}

/// Attention on one device and FFN on another, whichever are cheapest.
double best_mix(const LlmSpec& spec, double context) {
  double attention = 1e9, ffn = 1e9;
  for (const Device& device : devices) {
    const MarginalCost cost = marginal_cost(paper_work(spec, context), paper_price(device));
    attention = std::min(attention, cost.attention());
    ffn = std::min(ffn, cost.ffn);
  }
  return attention + ffn;
}

TEST(Step3Table, BestMixTotals) {
  const std::map<std::string, std::pair<double, double>> printed = {
      {"Step-3", {.055, .129}}, {"Qwen3-235B-A22B", {.062, .193}}, {"DeepSeek-V3", {.068, .211}}};
  for (const auto& [name, totals] : printed) {
    EXPECT_NEAR(best_mix(model(name), context_8k), totals.first, 0.0011) << name;
    EXPECT_NEAR(best_mix(model(name), context_32k), totals.second, 0.0011) << name;
  }
}

}  // namespace
}  // namespace tollgate
