// Tariffs as sellers publish them, worked by hand.
#include "sim/pricing/tariff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/pricing/profit.h"
#include "sim/spec/library.h"
#include "sim/spec/price_lookup.h"

namespace tollgate {
namespace {

using testing::HasSubstr;

std::vector<PriceBook> books() {
  return Library(std::string(TOLLGATE_REPOSITORY) + "/models").prices();
}

Tariff shipped(const char* model, const char* seller, const char* date) {
  return find_tariff(books(), model, seller, date, {});
}

/// Minute of the day in UTC of an hour in Beijing.
int beijing(int hour, int minute = 0) { return ((hour + 24 - 8) % 24) * 60 + minute; }

TEST(Tariff, EffectiveDatesOfDeepSeekV4Flash) {
  EXPECT_EQ(shipped("DeepSeek-V4-Flash", "DeepSeek", "2026-04-24").cached_input, 0.028);
  EXPECT_EQ(shipped("DeepSeek-V4-Flash", "DeepSeek", "2026-04-25").cached_input, 0.028);
  EXPECT_EQ(shipped("DeepSeek-V4-Flash", "DeepSeek", "2026-04-26").cached_input, 0.0028);
  EXPECT_EQ(shipped("DeepSeek-V4-Flash", "DeepSeek", "2026-06").cached_input, 0.0028);
  EXPECT_EQ(shipped("DeepSeek-V4-Flash", "DeepSeek", "").currency, "CNY");
}

TEST(Tariff, ADateBeforeAnyPriceAndAnUnknownSellerSayWhatThereIs) {
  const Place place{"s.yaml", 3, 5};
  try {
    find_tariff(books(), "DeepSeek-V4-Flash", "DeepSeek", "2026-04-23", place);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(),
                 "s.yaml:3:5: the first price of DeepSeek-V4-Flash by DeepSeek is of 2026-04-24, "
                 "after 2026-04-23.");
  }
  try {
    find_tariff(books(), "DeepSeek-V4-Flash", "Deepseek", "", place);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("Did you mean 'DeepSeek'?"));
  }
}

TEST(Tariff, PeakHoursOfDeepSeekV4ProInBeijing) {
  const Tariff t = shipped("DeepSeek-V4-Pro", "DeepSeek", "2026-09");
  EXPECT_EQ(price_at(t, {}, beijing(8, 59)).input, 4.5);
  EXPECT_EQ(price_at(t, {}, beijing(9)).input, 9);
  EXPECT_EQ(price_at(t, {}, beijing(11, 59)).output, 27);
  EXPECT_EQ(price_at(t, {}, beijing(12)).cached_input, 0.15);
  EXPECT_EQ(price_at(t, {}, beijing(14)).cached_input, 0.30);
  EXPECT_EQ(price_at(t, {}, beijing(17, 59)).input, 9);
  EXPECT_EQ(price_at(t, {}, beijing(18)).input, 4.5);
  // Seven of 24 hours cost twice as much.
  EXPECT_NEAR(mean_price(t, {}, flat_load()).input, 4.5 * (1 + 7.0 / 24), 1e-9);
  // In July the same hours were a factor on the dollar price.
  const Tariff july = shipped("DeepSeek-V4-Pro", "DeepSeek", "2026-07-15");
  EXPECT_DOUBLE_EQ(price_at(july, {}, beijing(10)).output, 1.74);
  EXPECT_DOUBLE_EQ(price_at(july, {}, beijing(13)).output, 0.87);
}

TEST(Tariff, AWindowThatPassesMidnightAndLoadOnlyInsideIt) {
  Tariff t;
  t.input = 1;
  t.output = 2;
  TariffWindow night;
  night.from = 22 * 60;
  night.to = 6 * 60;
  night.factor = 0.5;
  t.windows = {night};
  for (const int utc_offset : {0, 8 * 60, -8 * 60, 330}) {
    t.utc_offset = utc_offset;
    const auto at = [&](int hour) {
      return price_at(t, {}, ((hour * 60 - utc_offset) % 1440 + 1440) % 1440).input;
    };
    EXPECT_EQ(at(21), 1) << utc_offset;
    EXPECT_EQ(at(22), 0.5) << utc_offset;
    EXPECT_EQ(at(0), 0.5) << utc_offset;
    EXPECT_EQ(at(5), 0.5) << utc_offset;
    EXPECT_EQ(at(6), 1) << utc_offset;
    EXPECT_NEAR(mean_price(t, {}, flat_load()).input, (8 * 0.5 + 16) / 24, 1e-12);
  }
  t.utc_offset = 0;
  HourlyLoad only{};
  only[23] = 7;
  EXPECT_NEAR(mean_price(t, {}, only).output, 1, 1e-12);
}

TEST(Tariff, TiersSpeedAndBatchOfClaudeOpus) {
  const Tariff t = shipped("Claude-Opus-4.6", "Anthropic", "2026-03-01");
  RequestTerms terms;
  terms.prompt_tokens = 200000;
  EXPECT_EQ(price_at(t, terms, 0).input, 5);
  terms.prompt_tokens = 200001;
  EXPECT_EQ(price_at(t, terms, 0).input, 10);
  EXPECT_EQ(price_at(t, terms, 0).output, 25);
  EXPECT_EQ(price_at(shipped("Claude-Opus-4.6", "Anthropic", "2026-04"), terms, 0).input, 5);
  terms = {};
  terms.speed = "fast";
  EXPECT_EQ(price_at(t, terms, 0).input, 30);
  EXPECT_EQ(price_at(t, terms, 0).output, 150);
  terms.speed = "slow";
  EXPECT_THROW(price_at(t, terms, 0), std::invalid_argument);
  terms = {};
  terms.batch = true;
  EXPECT_EQ(price_at(t, terms, 0).input, 2.5);
  EXPECT_EQ(price_at(t, terms, 0).cache_write, 3.125);
  terms = {};
  terms.long_cache = true;
  EXPECT_EQ(price_at(t, terms, 0).cache_write, 10);
  terms = {};
  terms.batch = true;
  EXPECT_THROW(price_at(shipped("GLM-5", "Zhipu", ""), terms, 0), std::invalid_argument);
}

// One agent call on Sonnet: 100 k prompt tokens, 90 k of them cached, 2 k written by a plain input
// price of the rest, 1 k out: 10 x 0.003 + 90 x 0.0003 + 0.015 = 0.072 USD.
TEST(Tariff, OneClaudeCall) {
  const TokenPrice p = price_at(shipped("Claude-Sonnet-4.6", "Anthropic", ""), {}, 0);
  EXPECT_NEAR(revenue_usd({100e3, 90e3, 1e3}, p), 0.072, 1e-12);
}

// Published table of blended prices: chat 3:1 without hits, DeepSeek's mix, agents 131:1 with
// 94.2 % hits.
TEST(Tariff, BlendedPricesOfThreeMixes) {
  struct Row {
    const char *model, *seller, *date;
    double chat, mix, agent;
  };
  const Row rows[] = {{"Claude-Opus-4.6", "Anthropic", "", 10.00, 7.35, 0.945},
                      {"Claude-Sonnet-4.6", "Anthropic", "", 6.00, 4.41, 0.567},
                      {"GLM-5.1", "Zhipu", "", 2.15, 1.55, 0.357},
                      {"GLM-5", "Zhipu", "", 1.55, 1.12, 0.269},
                      {"MiniMax-M2.5", "MiniMax", "", 0.525, 0.376, 0.054},
                      {"DeepSeek-V4-Flash", "DeepSeek", "2026-05", 0.175, 0.110, 0.013},
                      {"DeepSeek-V4-Flash", "DeepSeek", "2026-04-24", 0.175, 0.121, 0.036}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.model);
    const Tariff t = shipped(row.model, row.seller, row.date);
    const double half_a_digit = 0.0051;
    EXPECT_NEAR(blended_price(t, 3, 0), row.chat, half_a_digit);
    EXPECT_NEAR(blended_price(t, 608.0 / 168, 342.0 / 608), row.mix, half_a_digit);
    EXPECT_NEAR(blended_price(t, 131, 0.942), row.agent, 0.00055);
  }
}

TEST(Tariff, CurrenciesTurnIntoDollars) {
  const CurrencyRate cny = find_rate(books(), "CNY", "2026-09", {});
  const TokenPrice usd = in_usd(shipped("DeepSeek-V4-Pro", "DeepSeek", "2026-09"), cny.per_usd);
  EXPECT_NEAR(usd.input, 4.5 / 7.1, 1e-12);
  EXPECT_NEAR(usd.output, 13.5 / 7.1, 1e-12);
  EXPECT_EQ(usd.cache_write, -1);
  EXPECT_EQ(usd.currency, "USD");
  EXPECT_EQ(find_rate(books(), "USD", "", {}).per_usd, 1);
  EXPECT_THROW(find_rate(books(), "EUR", "", {}), InputError);
  EXPECT_THROW(find_rate(books(), "CNY", "2024-12-31", {}), InputError);
}

TEST(TokenPacks, PricePerMillionOfTheCarriers) {
  const double cny_per_million[] = {0.99, 0.7475, 0.62375, 2.66, 2.28429, 1.99933, 2.5, 0};
  std::vector<TokenPack> packs;
  for (const PriceBook& book : books())
    packs.insert(packs.end(), book.packs.begin(), book.packs.end());
  ASSERT_EQ(packs.size(), std::size(cny_per_million));
  for (std::size_t i = 0; i < packs.size(); ++i) {
    EXPECT_NEAR(pack_price(packs[i], 0), cny_per_million[i], 5e-6) << packs[i].name;
    // Of half the tokens lapsing, the used ones cost twice.
    EXPECT_DOUBLE_EQ(pack_price(packs[i], 0.5), 2 * pack_price(packs[i], 0));
  }
  EXPECT_THROW(pack_price(packs[0], 1), std::invalid_argument);
  EXPECT_THROW(pack_price(packs[0], -0.1), std::invalid_argument);
}

// Claude Enterprise moved from a flat 200 USD to 20 USD plus usage: 180 USD of usage buy, on
// Sonnet, 30 M tokens of chat, 41 M of DeepSeek's mix and 317 M of an agent's.
TEST(Seats, ClaudeEnterpriseBreakEven) {
  std::vector<SeatPlan> seats;
  for (const PriceBook& book : books())
    seats.insert(seats.end(), book.seats.begin(), book.seats.end());
  ASSERT_EQ(seats.size(), 2u);
  const TokenPrice sonnet = shipped("Claude-Sonnet-4.6", "Anthropic", "");
  const auto tokens = [&](double ratio, double hits) {
    return seat_break_even_tokens(seats[0].per_month, seats[1].per_month,
                                  blended_price(sonnet, ratio, hits));
  };
  EXPECT_NEAR(tokens(3, 0), 30e6, 1);
  EXPECT_NEAR(tokens(3.62, 0.563) / 1e6, 41, 0.5);
  EXPECT_NEAR(tokens(131, 0.942) / 1e6, 317, 0.6);
  const double at = tokens(3, 0);
  EXPECT_NEAR(seat_bill(seats[0], at, 6), seat_bill(seats[1], at, 6), 1e-9);
  EXPECT_EQ(seat_break_even_tokens(20, 200, 6), 0);
}

// 36 USD an hour for 9,000 tokens/s in and 1,000 out is 1 USD per million at full use.
TEST(Provisioned, PriceRisesAsUseFalls) {
  ProvisionedPlan plan;
  plan.per_hour = 36;
  plan.input_tokens_per_second = 9000;
  plan.output_tokens_per_second = 1000;
  EXPECT_NEAR(provisioned_price(plan, 1), 1, 1e-12);
  EXPECT_NEAR(provisioned_price(plan, 0.25), 4, 1e-12);
  EXPECT_THROW(provisioned_price(plan, 1.01), std::invalid_argument);
  EXPECT_THROW(provisioned_price(plan, 0), std::invalid_argument);
}

}  // namespace
}  // namespace tollgate
