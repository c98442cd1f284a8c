// Tokens of a task under more hits, shorter prompts, longer answers, more calls and turns.
#include "sim/pricing/inflation.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "sim/pricing/sales.h"

namespace tollgate {
namespace {

RequestClass request(double input, double output, double hits) {
  RequestClass r;
  r.input.tokens = input;
  r.output.tokens = output;
  r.prefix_hit_rate = hits;
  return r;
}

TEST(Inflation, NothingChangesNothing) {
  const RequestClass r = inflated(request(1000, 200, 0.3), {});
  EXPECT_EQ(r.input.average(), 1000);
  EXPECT_EQ(r.output.average(), 200);
  EXPECT_EQ(r.prefix_hit_rate, 0.3);
  EXPECT_EQ(calls_per_task({}), 1);
}

// Every turn carried out one by one.
TEST(Inflation, TurnsAgreeWithAConversationWrittenOut) {
  for (const int turns : {1, 2, 5, 33}) {
    Inflation i;
    i.turns = turns;
    i.tokens_per_turn = 2242;
    const double first = 12000, output = 300, hits = 0.25;
    double prompt = first, prompts = 0, computed = 0;
    for (int turn = 1; turn <= turns; ++turn) {
      prompts += prompt;
      computed += turn == 1 ? (1 - hits) * first : i.tokens_per_turn;
      prompt += output + i.tokens_per_turn;
    }
    const RequestClass r = inflated(request(first, output, hits), i);
    EXPECT_NEAR(r.input.average() * turns, prompts, 1e-6 * prompts);
    EXPECT_NEAR((1 - r.prefix_hit_rate) * r.input.average() * turns, computed, 1e-6 * prompts);
    EXPECT_EQ(calls_per_task(i), turns);
  }
}

TEST(Inflation, CompressionReasoningAndHits) {
  Inflation i;
  i.prompt_compression = 0.4;
  i.reasoning = 3;
  i.cache_hit_rate = 0.9;
  i.fan_out = 5;
  const RequestClass r = inflated(request(1000, 200, 0), i);
  EXPECT_DOUBLE_EQ(r.input.average(), 600);
  EXPECT_DOUBLE_EQ(r.output.average(), 600);
  EXPECT_EQ(r.prefix_hit_rate, 0.9);
  EXPECT_EQ(calls_per_task(i), 5);
  i.prompt_compression = 1;
  EXPECT_THROW(inflated(request(1000, 200, 0), i), std::invalid_argument);
  i.prompt_compression = 0;
  i.cache_hit_rate = 1.1;
  EXPECT_THROW(inflated(request(1000, 200, 0), i), std::invalid_argument);
}

// Anthropic's prices: 1,000 plain at 3, 2,000 written at 3.75, 90,000 cached at 0.30, 500 out
// at 15.
TEST(Sales, RevenueOfTheFourClasses) {
  TokenPrice p;
  p.input = 3;
  p.cached_input = 0.3;
  p.cache_write = 3.75;
  p.output = 15;
  const BilledTokens t{1000, 2000, 90000, 500};
  EXPECT_NEAR(revenue_of(t, p), 0.003 + 0.0075 + 0.027 + 0.0075, 1e-12);
  EXPECT_NEAR(mean_price_per_million(t, p), 0.045 / 93500 * 1e6, 1e-9);
  p.cache_write = p.cached_input = -1;
  EXPECT_NEAR(revenue_of(t, p), 93000 * 3e-6 + 0.0075, 1e-12);
}

TEST(Sales, DeepSeeksDayPerGpuHourAndMegawatt) {
  // 562,027 USD of revenue on 43,536 GPU-hours that cost 2 USD each, 776 G tokens.
  const double hours = 226.75 * 8 * 24;
  const Earnings e = earnings(562027.0 / 776e3, hours / 776e3, 2, 1730);
  EXPECT_NEAR(e.revenue_per_gpu_hour, 562027 / hours, 1e-9);
  EXPECT_NEAR(e.profit_per_gpu_hour, (562027 - 87072) / hours, 1e-9);
  EXPECT_NEAR(e.revenue_per_mw_hour, 562027 / hours / 1.73e-3, 1e-6);
  const ClassMargin all = class_margin(562027, 87072);
  EXPECT_NEAR(all.markup, 5.455, 0.0005);
  EXPECT_NEAR(all.gross_margin, 0.845, 0.0005);
}

}  // namespace
}  // namespace tollgate
