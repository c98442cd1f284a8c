#include "sim/pricing/unit_cost.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>

#include "sim/pricing/allocation.h"
#include "sim/pricing/marginal_cost.h"
#include "sim/pricing/profit.h"

namespace tollgate {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

class Random {
 public:
  double log_uniform(double low, double high) {
    return std::exp(std::uniform_real_distribution<double>(std::log(low), std::log(high))(engine_));
  }
  double fraction() { return std::uniform_real_distribution<double>(0.001, 1)(engine_); }
  Estimate estimate(double low, double high) {
    return with_log_sd(log_uniform(low, high), fraction(), Provenance::fitted);
  }

 private:
  std::mt19937_64 engine_{7};
};

void expect_ordered(const Estimate& e) {
  EXPECT_TRUE(std::isfinite(e.low) && std::isfinite(e.high));
  EXPECT_GE(e.low, 0);
  EXPECT_LE(e.low, e.value);
  EXPECT_LE(e.value, e.high);
}

TEST(UnitCost, HandCount) {
  Delivery delivery;
  delivery.input_tokens_per_second = exactly(3000);
  delivery.output_tokens_per_second = exactly(1000);
  delivery.gpus = 8;
  delivery.utilisation = 0.5;
  const UnitCost cost = unit_cost(delivery, 1.6);
  EXPECT_NEAR(cost.gpu_hours_per_million_output.value, 8 * 1e6 / 3600 / 500, 1e-12);
  EXPECT_NEAR(cost.gpu_hours_per_million_total.value, 8 * 1e6 / 3600 / 2000, 1e-12);
  EXPECT_NEAR(cost.usd_per_million_output.value, 1.6 * 8 * 1e6 / 3600 / 500, 1e-12);
  EXPECT_NEAR(cost.usd_per_million_total.value * 4, cost.usd_per_million_output.value, 1e-12);
  EXPECT_EQ(cost.usd_per_million_total.provenance, Provenance::exact);
}

TEST(UnitCost, OutputOnlyTrafficHasOneAllocation) {
  Delivery delivery;
  delivery.output_tokens_per_second = exactly(1000);
  delivery.gpus = 1;
  const UnitCost cost = unit_cost(delivery, 2);
  EXPECT_EQ(cost.usd_per_million_output.value, cost.usd_per_million_total.value);
}

TEST(UnitCost, PropertiesOverRandomDeliveries) {
  Random random;
  for (int i = 0; i < 500; ++i) {
    Delivery delivery;
    delivery.input_tokens_per_second = random.estimate(1, 1e7);
    delivery.output_tokens_per_second = random.estimate(1, 1e6);
    delivery.gpus = std::ceil(random.log_uniform(0.5, 1000));
    delivery.utilisation = random.fraction();
    const double price = random.log_uniform(0.1, 20);
    const UnitCost cost = unit_cost(delivery, price);
    expect_ordered(cost.gpu_hours_per_million_output);
    expect_ordered(cost.gpu_hours_per_million_total);
    expect_ordered(cost.usd_per_million_output);
    expect_ordered(cost.usd_per_million_total);
    EXPECT_EQ(cost.usd_per_million_total.provenance, Provenance::fitted);
    EXPECT_LE(cost.usd_per_million_total.value, cost.usd_per_million_output.value);

    const double bill = cost.usd_per_million_output.value * delivery.output_tokens_per_second.value;
    const double tokens =
        delivery.input_tokens_per_second.value + delivery.output_tokens_per_second.value;
    EXPECT_NEAR(cost.usd_per_million_total.value * tokens / bill, 1, 1e-12);

    Delivery busier = delivery;
    busier.utilisation = std::min(1.0, delivery.utilisation * 1.1);
    EXPECT_LE(unit_cost(busier, price).usd_per_million_output.value,
              cost.usd_per_million_output.value);
    EXPECT_GT(unit_cost(delivery, price * 1.01).usd_per_million_output.value,
              cost.usd_per_million_output.value);
    EXPECT_NEAR(bearable_usd_per_gpu_hour(cost.usd_per_million_output.value,
                                          delivery.output_tokens_per_second.value, delivery.gpus,
                                          delivery.utilisation) /
                    price,
                1, 1e-12);
  }
}

TEST(UnitCost, RefusesWhatWouldGiveNoNumber) {
  for (const double bad : {0.0, -1.0, infinity, not_a_number}) {
    EXPECT_THROW(gpu_hours_per_million(exactly(bad), 8, 1), std::invalid_argument) << bad;
    EXPECT_THROW(gpu_hours_per_million(exactly(100), bad, 1), std::invalid_argument) << bad;
    EXPECT_THROW(gpu_hours_per_million(exactly(100), 8, bad), std::invalid_argument) << bad;
  }
  EXPECT_THROW(gpu_hours_per_million(exactly(100), 8, 1.01), std::invalid_argument);
  EXPECT_THROW(gpu_hours_per_million({100, 0, 200, Provenance::fitted}, 8, 1),
               std::invalid_argument);
  EXPECT_THROW(gpu_hours_per_million({100, 120, 200, Provenance::fitted}, 8, 1),
               std::invalid_argument);
  Delivery delivery;
  delivery.output_tokens_per_second = exactly(100);
  delivery.gpus = 8;
  EXPECT_THROW(unit_cost(delivery, -1), std::invalid_argument);
  EXPECT_THROW(unit_cost(delivery, not_a_number), std::invalid_argument);
  EXPECT_EQ(unit_cost(delivery, 0).usd_per_million_output.value, 0);
}

TEST(Profit, BlendedPriceOfThreeMixes) {
  TokenPrice opus;
  opus.input = 5;
  opus.cached_input = 0.5;
  opus.output = 25;
  EXPECT_NEAR(blended_price(opus, 3, 0), 10.0, 0.005);
  EXPECT_NEAR(blended_price(opus, 608.0 / 168, 0.563), 7.35, 0.02);
  EXPECT_NEAR(blended_price(opus, 131, 0.942), 0.945, 0.0005);
  TokenPrice no_cache = opus;
  no_cache.cached_input = -1;
  EXPECT_EQ(blended_price(no_cache, 3, 0.9), blended_price(opus, 3, 0));
}

TEST(Profit, HigherHitRateIsNeverDearer) {
  TokenPrice price;
  price.input = 0.28;
  price.cached_input = 0.028;
  price.output = 0.42;
  double last = blended_price(price, 10, 0);
  for (int percent = 1; percent <= 100; ++percent) {
    const double next = blended_price(price, 10, percent / 100.0);
    EXPECT_LE(next, last);
    last = next;
  }
}

TEST(Profit, MarkupAndMarginAgree) {
  for (const double cost : {1.0, 50.0, 100.0, 250.0}) {
    EXPECT_NEAR(gross_margin(100, cost), 1 - 1 / (1 + markup(100, cost)), 1e-12);
  }
  EXPECT_THROW(gross_margin(0, 1), std::invalid_argument);
  EXPECT_THROW(markup(1, 0), std::invalid_argument);
  EXPECT_THROW(break_even_utilisation(1, 0), std::invalid_argument);
  EXPECT_THROW(revenue_usd({1, 2, 0}, TokenPrice{}), std::invalid_argument);
  EXPECT_THROW(blended_price(TokenPrice{}, 1, 1.5), std::invalid_argument);
}

TEST(MarginalCost, DearerOfFlopAndByteDecides) {
  const ResourcePrice price = resource_price(3.6, 1e15, 1e12);
  EXPECT_NEAR(price.usd_per_flop, 1e-18, 1e-30);
  EXPECT_NEAR(price.usd_per_byte, 1e-15, 1e-27);
  DecodeWork work;
  work.attention_flops = 1e9;
  work.cache_bytes = 2e6;
  work.linear_flops = 3e9;
  work.ffn_flops = 4e9;
  const MarginalCost cost = marginal_cost(work, price);
  EXPECT_NEAR(cost.attention_core, 2e-3, 1e-15);
  EXPECT_NEAR(cost.total(), 2e-3 + 3e-3 + 4e-3, 1e-15);
  EXPECT_NEAR(cost.attention() + cost.ffn, cost.total(), 1e-15);
  EXPECT_THROW(resource_price(1, 0, 1), std::invalid_argument);
  EXPECT_THROW(resource_price(-1, 1, 1), std::invalid_argument);
  EXPECT_THROW(resource_price(1, 1, infinity), std::invalid_argument);
}

}  // namespace
}  // namespace tollgate
