// Properties of every rule that splits a bill, over random bills, and worked examples.
#include "sim/pricing/allocation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>

namespace tollgate {
namespace {

constexpr Allocation additive_rules[] = {
    Allocation::output_only, Allocation::total_tokens,      Allocation::token_ratio,
    Allocation::phase_time,  Allocation::marginal_resource, Allocation::revenue_weighted};

struct Case {
  double bill;
  TokenVolume tokens;
  AllocationRule rule;
};

Case random_case(std::mt19937_64& engine) {
  const auto log_uniform = [&](double low, double high) {
    return std::exp(std::uniform_real_distribution<double>(std::log(low), std::log(high))(engine));
  };
  const auto share = [&] { return std::uniform_real_distribution<double>(0, 0.999)(engine); };
  Case c;
  c.bill = log_uniform(1e-3, 1e7);
  c.tokens = {log_uniform(1, 1e13), log_uniform(1, 1e13)};
  c.tokens.cached = c.tokens.input * share();
  c.rule.ratio = log_uniform(0.1, 20);
  c.rule.prefill_share = share();
  c.rule.cached_usd_per_million = log_uniform(1e-6, 1e3);
  c.rule.weights = {log_uniform(1e-3, 1e3), log_uniform(1e-3, 1e3), log_uniform(1e-3, 1e3)};
  return c;
}

double sum_of(const AllocatedCost& cost, const TokenVolume& t) {
  return (cost.usd_per_million_input * (t.input - *t.cached) +
          cost.usd_per_million_cached * *t.cached + cost.usd_per_million_output * t.output) /
         1e6;
}

TEST(Allocation, EveryAdditiveRuleSumsToTheBill) {
  std::mt19937_64 engine(11);
  for (int i = 0; i < 1000; ++i) {
    Case c = random_case(engine);
    for (const Allocation kind : additive_rules) {
      c.rule.kind = kind;
      EXPECT_TRUE(is_additive(kind));
      EXPECT_NEAR(sum_of(allocate(c.bill, c.tokens, c.rule), c.tokens) / c.bill, 1, 1e-9)
          << to_string(kind);
    }
  }
}

TEST(Allocation, SameHoursTwiceCountsTheBillTwice) {
  AllocationRule rule;
  rule.kind = Allocation::same_hours_twice;
  EXPECT_FALSE(is_additive(rule.kind));
  const TokenVolume tokens{3e9, 1e9, 1e9};
  EXPECT_NEAR(sum_of(allocate(100, tokens, rule), tokens), 200, 1e-9);
}

TEST(Allocation, ACachedTokenNeverCostsMoreThanAComputedOne) {
  std::mt19937_64 engine(12);
  for (int i = 0; i < 1000; ++i) {
    Case c = random_case(engine);
    for (const Allocation kind : additive_rules) {
      c.rule.kind = kind;
      const AllocatedCost cost = allocate(c.bill, c.tokens, c.rule);
      EXPECT_LE(cost.usd_per_million_cached, cost.usd_per_million_input) << to_string(kind);
      EXPECT_GE(cost.usd_per_million_cached, 0);
      EXPECT_GE(cost.usd_per_million_output, 0);
    }
  }
}

// At the same bill and weights, more hits never raise what prompts carry in all.
TEST(Allocation, PromptsCarryNoMoreWhenMoreOfThemAreCached) {
  std::mt19937_64 engine(13);
  for (int i = 0; i < 300; ++i) {
    Case c = random_case(engine);
    for (const Allocation kind : additive_rules) {
      c.rule.kind = kind;
      double last = std::numeric_limits<double>::infinity();
      for (int percent = 0; percent < 100; percent += 9) {
        c.tokens.cached = c.tokens.input * percent / 100;
        const AllocatedCost cost = allocate(c.bill, c.tokens, c.rule);
        const double prompts = c.bill - cost.usd_per_million_output * c.tokens.output / 1e6;
        EXPECT_LE(prompts, last * (1 + 1e-9) + 1e-9 * c.bill) << to_string(kind);
        last = prompts;
      }
    }
  }
}

TEST(Allocation, RatioIsKept) {
  AllocationRule rule;
  rule.kind = Allocation::token_ratio;
  const AllocatedCost cost = allocate(100, {1e9, 1e8, 5e8}, rule);
  EXPECT_NEAR(cost.usd_per_million_output / cost.usd_per_million_input, 4, 1e-12);
}

// 100 USD, 40 of them prefill; 6e8 computed, 4e8 cached at 0.01 USD/M = 4 USD; 36 USD are left for
// computed tokens: 0.06 USD/M.
TEST(Allocation, PhaseTimeWithStorageOfTheCache) {
  AllocationRule rule;
  rule.kind = Allocation::phase_time;
  rule.prefill_share = 0.4;
  rule.cached_usd_per_million = 0.01;
  const AllocatedCost cost = allocate(100, {1e9, 1e8, 4e8}, rule);
  EXPECT_NEAR(cost.usd_per_million_cached, 0.01, 1e-12);
  EXPECT_NEAR(cost.usd_per_million_input, 0.06, 1e-12);
  EXPECT_NEAR(cost.usd_per_million_output, 0.6, 1e-12);
}

TEST(Allocation, RevenueWeightsKeepOneMarginForAllClasses) {
  const TokenWeights price{0.55, 0.14, 2.19};
  const TokenVolume tokens{608e9, 168e9, 342e9};
  const AllocatedCost cost = allocate_by_weight(87072, tokens, price);
  EXPECT_NEAR(cost.usd_per_million_input / price.input, cost.usd_per_million_output / price.output,
              1e-12);
  EXPECT_NEAR(cost.usd_per_million_output / price.output, 87072 / 562100.0, 1e-6);
}

TEST(Allocation, AnUnknownHitRateIsRefused) {
  AllocationRule rule;
  for (const Allocation kind : additive_rules) {
    rule.kind = kind;
    rule.weights = {1, 1, 1};
    EXPECT_THROW(allocate(1, {5, 5}, rule), std::invalid_argument) << to_string(kind);
    EXPECT_NO_THROW(allocate(1, {5, 5, 0}, rule)) << to_string(kind);
  }
}

TEST(Allocation, RefusesABillNobodyCarries) {
  const double not_a_number = std::numeric_limits<double>::quiet_NaN();
  AllocationRule rule;
  EXPECT_THROW(allocate(1, {0, 0, 0}, rule), std::invalid_argument);
  EXPECT_THROW(allocate(1, {5, 5, 6}, rule), std::invalid_argument);
  rule.kind = Allocation::output_only;
  EXPECT_THROW(allocate(1, {5, 0, 0}, rule), std::invalid_argument);
  rule.kind = Allocation::phase_time;
  rule.prefill_share = 1.5;
  EXPECT_THROW(allocate(1, {5, 5, 0}, rule), std::invalid_argument);
  EXPECT_THROW(allocate(not_a_number, {5, 5, 0}, rule), std::invalid_argument);
  EXPECT_THROW(allocate(1, {-5, 5, 0}, rule), std::invalid_argument);
  rule.prefill_share = 0;
  EXPECT_EQ(allocate(1, {0, 5, 0}, rule).usd_per_million_input, 0);
}

}  // namespace
}  // namespace tollgate
