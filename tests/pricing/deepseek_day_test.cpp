// The day DeepSeek published: deepseek-ai/open-infra-index 56d86855, day 6 (24 h of 27/28 February
// 2025, H800, 2 USD per GPU-hour, nodes of eight).
#include <gtest/gtest.h>

#include "sim/pricing/allocation.h"
#include "sim/pricing/profit.h"
#include "sim/pricing/unit_cost.h"

namespace tollgate {
namespace {

constexpr double usd_per_gpu_hour = 2;
constexpr double gpus_per_node = 8;
constexpr double mean_nodes = 226.75;
constexpr double input_tokens = 608e9;
constexpr double cached_tokens = 342e9;
constexpr double output_tokens = 168e9;
constexpr double seconds_per_day = 86400;
constexpr double published_cost = 87072;
constexpr double published_revenue = 562027;

double nodes_for(double tokens, double tokens_per_second_and_node) {
  const Estimate hours =
      gpu_hours_per_million(exactly(tokens_per_second_and_node), gpus_per_node, 1);
  return hours.value * tokens / 1e6 / 24 / gpus_per_node;
}

double usd_per_million(double tokens_per_second_and_node) {
  return scaled(gpu_hours_per_million(exactly(tokens_per_second_and_node), gpus_per_node, 1),
                usd_per_gpu_hour)
      .value;
}

TEST(DeepSeekDay, CostIsNodesTimesPrice) {
  EXPECT_NEAR(mean_nodes * gpus_per_node * 24 * usd_per_gpu_hour, published_cost, 0.5);
}

TEST(DeepSeekDay, NodesFollowFromTheRates) {
  const double prefill = nodes_for(input_tokens, 73.7e3);
  const double decode = nodes_for(output_tokens, 14.8e3);
  EXPECT_NEAR(prefill, 95.48, 0.005);
  EXPECT_NEAR(decode, 131.38, 0.005);
  EXPECT_NEAR((prefill + decode) / mean_nodes, 1, 0.0006);
}

TEST(DeepSeekDay, RevenueMarkupAndMargin) {
  TokenPrice r1;
  r1.input = 0.55;
  r1.cached_input = 0.14;
  r1.output = 2.19;
  const double revenue = revenue_usd({input_tokens, cached_tokens, output_tokens}, r1);
  EXPECT_NEAR(revenue, 562100, 1);
  EXPECT_NEAR(revenue / published_revenue, 1, 0.0002);
  EXPECT_NEAR(100 * markup(published_revenue, published_cost), 545.5, 0.05);
  EXPECT_NEAR(100 * gross_margin(published_revenue, published_cost), 84.5, 0.05);
}

TEST(DeepSeekDay, CostPerMillionTokens) {
  EXPECT_NEAR(usd_per_million(73.7e3), 0.060, 0.0005);
  EXPECT_NEAR(usd_per_million(32.2e3), 0.138, 0.0005);
  EXPECT_NEAR(usd_per_million(14.8e3), 0.300, 0.0005);
}

TEST(DeepSeekDay, PhaseTimeSplitsTheBill) {
  AllocationRule rule;
  rule.kind = Allocation::phase_time;
  rule.prefill_share = 95.48 / (95.48 + 131.38);
  const AllocatedCost all = allocate(published_cost, {input_tokens, output_tokens, 0}, rule);
  EXPECT_NEAR(all.usd_per_million_input, 0.060, 0.0005);
  EXPECT_NEAR(all.usd_per_million_output, 0.300, 0.0005);
  const AllocatedCost uncached =
      allocate(published_cost, {input_tokens, output_tokens, cached_tokens}, rule);
  EXPECT_NEAR(uncached.usd_per_million_input, 0.138, 0.0005);
  EXPECT_NEAR(published_cost * rule.prefill_share, 36.7e3, 60);
  EXPECT_NEAR(published_cost * (1 - rule.prefill_share), 50.4e3, 60);
}

TEST(DeepSeekDay, BreakEvenShareOfRevenue) {
  EXPECT_NEAR(break_even_utilisation(published_cost, published_revenue), 0.155, 0.0005);
  EXPECT_NEAR(output_tokens / seconds_per_day / 131.38 / gpus_per_node, 1850, 1);
}

}  // namespace
}  // namespace tollgate
