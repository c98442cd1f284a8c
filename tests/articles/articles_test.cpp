// Golden tests of scenarios/articles: what the press claims of April 2026, and what comes out here.
// Arithmetic is held to the digits given; simulated figures to a band that says why.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <regex>

#include "kernels/registry.h"
#include "sim/report/report.h"
#include "sim/spec/scenario_schema.h"
#include "sim/study/market_study.h"

namespace tollgate {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

MarketResult answer(const std::string& name, const std::vector<std::string>& overrides = {}) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const Scenario scenario =
      load_scenario(TOLLGATE_REPOSITORY "/scenarios/" + name + ".yaml", overrides, library);
  return run_market(scenario, library, kernels::find_backend("tbb"));
}

std::size_t mix_of(const MarketResult& r, const std::string& name) {
  for (std::size_t m = 0; m < r.mixes.size(); ++m) {
    if (r.mixes[m].name == name) return m;
  }
  ADD_FAILURE() << "no mix " << name;
  return 0;
}

const OfferResult& offer_of(const MarketResult& r, const std::string& model,
                            const std::string& date = "") {
  for (const OfferResult& offer : r.offers) {
    if (offer.offer.model == model && (date.empty() || offer.offer.tariff.date == date))
      return offer;
  }
  ADD_FAILURE() << "no offer of " << model;
  return r.offers.front();
}

const PriceRatios& ratios_of(const MarketResult& r, const std::string& name) {
  for (const PriceRatios& p : r.prices) {
    if (p.comparison.name == name) return p;
  }
  ADD_FAILURE() << "no comparison " << name;
  return r.prices.front();
}

TEST(Articles, GrowthOf330PercentIsNot370Fold) {
  const MarketResult r = answer("articles/growth-2025-2030");
  const GrowthResult& jpm = r.growth.at(0);
  EXPECT_NEAR(jpm.by_rate->multiple, 1470.1, 0.05);
  EXPECT_NEAR(jpm.by_multiple->yearly_rate, 2.263, 0.0005);
  EXPECT_NEAR(jpm.by_end->yearly_rate, 2.298, 0.0005);
  EXPECT_THAT(jpm.findings,
              Contains(AllOf(HasSubstr("370-fold is 226 % a year, not 330 %"),
                             HasSubstr("fits 3.30 times as much every year (391-fold)"),
                             HasSubstr("the yearly multiple was called a growth rate"))));
  // 140 T a day are 51 P a year, of a base of 10 P.
  EXPECT_THAT(jpm.findings, Contains(HasSubstr("March 2026 is 5.1 times the base of 2025")));
  // "Dozens to hundreds of times in two to three years" against 10.6 and 34.8.
  EXPECT_NEAR(std::pow(1 + jpm.by_multiple->yearly_rate, 2), 10.65, 0.05);
  EXPECT_NEAR(std::pow(1 + jpm.by_multiple->yearly_rate, 3), 34.75, 0.05);

  const GrowthResult& february = r.growth.at(1);
  EXPECT_NEAR(february.total, 2.273, 0.0005);
  EXPECT_THAT(february.findings, Contains(HasSubstr("127 % is claimed, which fits")));
  EXPECT_THAT(february.findings,
              Contains(HasSubstr("3 values are 2 steps, not 3: 50.8 % a step, not 31.5 %")));
  EXPECT_NEAR(r.growth.at(2).per_step, 0.07006, 0.000005);
  EXPECT_NEAR(r.growth.at(3).total, 11.25, 0.005);
  EXPECT_NEAR(r.growth.at(3).per_step, 0.0506, 0.0005);
  EXPECT_NEAR(r.growth.at(4).by_multiple->yearly_rate, 15, 1e-9);  // 16-fold a year
  EXPECT_NEAR(r.growth.at(5).per_step, -0.082, 0.0005);
  EXPECT_NEAR(r.growth.at(6).total, 2.94, 0.005);
}

TEST(Articles, PriceRatiosHoldOnTheCheapestRouteOnly) {
  const MarketResult r = answer("articles/price-ratios");
  const PriceRatios& m25 = ratios_of(r, "Opus / M2.5, cheapest route");
  EXPECT_NEAR(m25.input, 16.67, 0.005);
  EXPECT_NEAR(m25.output, 22.73, 0.005);
  EXPECT_EQ(m25.cached, 0);  // the route states no cached price
  EXPECT_NEAR(ratios_of(r, "Opus / GLM-5, cheapest route").output, 9.80, 0.005);
  EXPECT_THAT(ratios_of(r, "Opus / GLM-5, cheapest route").findings,
              Contains(HasSubstr("10 times is claimed of output; these prices give 9.804, which "
                                 "does not fit")));
  EXPECT_NEAR(ratios_of(r, "Opus / M2.5, list").output, 20.83, 0.005);
  EXPECT_NEAR(ratios_of(r, "Opus / GLM-5, list").input, 5, 1e-12);
  EXPECT_NEAR(ratios_of(r, "Opus / GLM-5, list").output, 7.81, 0.005);
  EXPECT_NEAR(ratios_of(r, "GLM-5.1 / GLM-5, list").input, 1.40, 1e-12);
  EXPECT_NEAR(ratios_of(r, "GLM-5.1 / GLM-5, list").output, 1.375, 1e-12);
  EXPECT_NEAR(ratios_of(r, "GLM-5.1 / GLM-5-Turbo, list").output, 1.1, 1e-12);
  // Cached input of GLM-5.1 costs 87 % of Sonnet's, a token of an agent 63 %, of a chat 36 %.
  const PriceRatios& parity = ratios_of(r, "Sonnet / GLM-5.1, list");
  EXPECT_NEAR(1 / parity.cached, 0.867, 0.0005);
  EXPECT_NEAR(1 / parity.input, 0.467, 0.0005);
  EXPECT_NEAR(1 / parity.output, 0.293, 0.0005);
  EXPECT_NEAR(1 / parity.mixes[mix_of(r, "chat")], 0.36, 0.005);
  EXPECT_NEAR(1 / parity.mixes[mix_of(r, "DeepSeek 2025")], 0.35, 0.005);
  EXPECT_NEAR(1 / parity.mixes[mix_of(r, "agentic")], 0.63, 0.005);
  // Opus over M2.5 at list prices: 19, 19.5 and 17.4 times; the route without a cached price: 3.
  EXPECT_NEAR(ratios_of(r, "Opus / M2.5, list").mixes[mix_of(r, "chat")], 19.0, 0.06);
  EXPECT_NEAR(ratios_of(r, "Opus / M2.5, list").mixes[mix_of(r, "DeepSeek 2025")], 19.5, 0.06);
  EXPECT_NEAR(ratios_of(r, "Opus / M2.5, list").mixes[mix_of(r, "agentic")], 17.4, 0.06);
  EXPECT_NEAR(m25.mixes[mix_of(r, "agentic")], 3.1, 0.05);
}

TEST(Articles, BlendedPricesAreThoseOfTheThreeMixes) {
  const MarketResult r = answer("articles/price-ratios");
  struct Row {
    const char* model;
    const char* date;
    double chat, deepseek, agentic;
  };
  // Worked out by hand from the list prices, to three digits.
  for (const Row& row :
       {Row{"Claude-Opus-4.6", "", 10.00, 7.35, 0.945},
        Row{"Claude-Sonnet-4.6", "", 6.00, 4.41, 0.567}, Row{"GLM-5.1", "", 2.15, 1.55, 0.357},
        Row{"GLM-5", "", 1.55, 1.12, 0.269}, Row{"Kimi-K2.5", "", 1.20, 0.90, 0.151},
        Row{"Qwen3.6-Plus", "", 1.125, 0.843, 0.098}, Row{"MiniMax-M2.5", "", 0.525, 0.376, 0.054},
        Row{"DeepSeek-V4-Flash", "2026-04-26", 0.175, 0.110, 0.013},
        Row{"DeepSeek-V4-Flash", "2026-04-24", 0.175, 0.121, 0.036}}) {
    const OfferResult& offer = offer_of(r, row.model, row.date);
    const auto near = [&](const char* mix, double price) {
      EXPECT_NEAR(offer.cells[mix_of(r, mix)].price, price, std::max(0.005 * price, 0.0006))
          << row.model << " " << mix;
    };
    near("chat", row.chat);
    near("DeepSeek 2025", row.deepseek);
    near("agentic", row.agentic);
  }
}

TEST(Articles, AClaudeSeatBreaksEvenAtThirtyMillionTokensOrThreeHundred) {
  const MarketResult r = answer("articles/claude-enterprise");
  const auto tokens = [&](std::size_t seat, std::size_t bill, const char* mix) {
    return r.seats.at(seat).bills.at(bill).tokens[mix_of(r, mix)];
  };
  // 200 USD less the seat fee of 20 over the blended price: 180 / 6.00, 4.41 and 0.567 a million.
  EXPECT_NEAR(tokens(0, 0, "chat"), 30e6, 0.05e6);
  EXPECT_NEAR(tokens(0, 0, "DeepSeek 2025"), 41e6, 0.5e6);
  EXPECT_NEAR(tokens(0, 0, "agentic"), 317e6, 1e6);
  EXPECT_NEAR(tokens(1, 0, "chat"), 18e6, 0.05e6);
  EXPECT_NEAR(tokens(1, 0, "DeepSeek 2025"), 25e6, 0.6e6);
  EXPECT_NEAR(tokens(1, 0, "agentic"), 190e6, 1e6);
  // "Two to three times as much": 400 and 600 USD.
  EXPECT_NEAR(tokens(0, 1, "agentic"), 670e6, 2e6);
  EXPECT_NEAR(tokens(0, 2, "agentic"), 1.02e9, 0.01e9);
}

TEST(Articles, APackCostsTheChatPriceAndManyTimesTheAgentPrice) {
  const MarketResult r = answer("articles/token-packs");
  const PackRatios& telecom = r.packs.at(0);
  EXPECT_NEAR(telecom.usd_per_million, 0.375, 0.0005);  // 39.9 CNY / 15 M at 7.1 CNY/USD
  EXPECT_NEAR(telecom.over_offer[mix_of(r, "chat")], 2.14, 0.01);
  EXPECT_NEAR(telecom.over_offer[mix_of(r, "agentic")], 29, 0.5);
  EXPECT_NEAR(r.packs.at(1).over_offer[mix_of(r, "chat")], 1.61, 0.01);
  EXPECT_NEAR(r.packs.at(1).over_offer[mix_of(r, "agentic")], 22, 0.5);
}

class OpenRouter : public ::testing::Test {
 protected:
  static const MarketResult& result() {
    static const MarketResult r = answer("articles/openrouter-fleet");
    return r;
  }
  static const FleetRow& fleet(const std::string& volume, const std::string& server) {
    for (const FleetRow& row : result().demand->fleets) {
      if (row.volume == volume && row.server == server) return row;
    }
    ADD_FAILURE() << volume << " " << server;
    return result().demand->fleets.front();
  }
  static const VolumeResult& volume(const std::string& name) {
    for (const VolumeResult& v : result().demand->volumes) {
      if (v.volume.name == name) return v;
    }
    ADD_FAILURE() << name;
    return result().demand->volumes.front();
  }
};

TEST_F(OpenRouter, IsNineHundredNodesAtDeepSeeksEfficiency) {
  const char* const day = "DeepSeek's day, February 2025";
  EXPECT_NEAR(fleet("OpenRouter April", day).fleet.replicas.value, 860, 1);
  EXPECT_NEAR(fleet("OpenRouter April", day).fleet.gpus.value, 6879, 8);
  EXPECT_NEAR(fleet("OpenRouter April", day).fleet.usd_per_day.value, 0.33e6, 0.005e6);
  EXPECT_NEAR(fleet("OpenRouter May", day).fleet.replicas.value, 1206, 2);
  EXPECT_NEAR(fleet("China", day).fleet.replicas.value, 40909, 2);
  EXPECT_NEAR(fleet("China", day).fleet.usd_per_day.value, 15.7e6, 0.05e6);
  // A published day has no simulated band; a simulated fleet has one, around its value.
  EXPECT_FALSE(fleet("China", day).simulated);
  const FleetRow& simulated = fleet("China", "MiniMax-M2.5 on H200-SXM");
  EXPECT_TRUE(simulated.simulated);
  EXPECT_LT(simulated.fleet.gpus.low, simulated.fleet.gpus.value);
  EXPECT_GT(simulated.fleet.gpus.high, simulated.fleet.gpus.value);
  EXPECT_GT(simulated.fleet.megawatts.value, 0);
}

TEST_F(OpenRouter, WeeksBeforeAndSharesFollowFromTheChanges) {
  constexpr double week = 7 * 86400;
  EXPECT_NEAR(volume("Chinese models April").before * week, 5.82e12, 0.01e12);
  EXPECT_NEAR(volume("US models April").before * week, 4.07e12, 0.01e12);
  EXPECT_NEAR(volume("Claude Sonnet 4.6").before * week, 1.16e12, 0.01e12);
  EXPECT_NEAR(volume("Chinese models May").before * week, 7.69e12, 0.01e12);
  EXPECT_NEAR(volume("US models May").before * week, 4.24e12, 0.01e12);
  EXPECT_NEAR(volume("Claude Sonnet 4.6").share + volume("Claude Opus 4.6").share, 0.53, 0.002);
  EXPECT_NEAR(volume("Doubao").share, 0.857, 0.001);
  EXPECT_NEAR(volume("MiniMax M2.5").share, 0.449, 0.0005);
}

TEST_F(OpenRouter, TheSameTokensBringInTenTimesAsMuchByMix) {
  const auto& revenue = volume("Claude Sonnet 4.6").revenue;
  ASSERT_EQ(revenue.size(), 3u);
  EXPECT_NEAR(revenue[mix_of(result(), "agentic")], 0.78e6, 0.005e6);
  EXPECT_NEAR(revenue[mix_of(result(), "DeepSeek 2025")], 6.1e6, 0.05e6);
  EXPECT_NEAR(revenue[mix_of(result(), "chat")], 8.3e6, 0.05e6);
}

TEST_F(OpenRouter, SaysWhatTheFiguresDoNotSay) {
  const auto& findings = result().demand->findings;
  EXPECT_THAT(findings,
              Contains(AllOf(HasSubstr("9.35 T/week of the 20.6 T/week"), HasSubstr("45.4 %"))));
  EXPECT_THAT(findings, Contains(AllOf(HasSubstr("Qwen3.6 Plus left the list with 1.66 T/week"),
                                       HasSubstr("28.5 %"),
                                       HasSubstr("exceeds the whole fall of 1.38 T/week"))));
  EXPECT_THAT(findings,
              Contains(AllOf(HasSubstr("The parts listed grew by 18.6 %"), HasSubstr("7.40 %"),
                             HasSubstr("-1.52 %"), HasSubstr("overstates"))));
  EXPECT_THAT(findings,
              Contains(AllOf(HasSubstr("73.6 T/day to 147 T/day"), HasSubstr("140 T/day"),
                             HasSubstr("the upper end is impossible"), HasSubstr("7.14 T/day"))));
  EXPECT_THAT(findings, Contains(AllOf(HasSubstr("11.5 times (instead of chatting)"),
                                       HasSubstr("12.5 times (besides)"))));
  EXPECT_THAT(findings, Contains(HasSubstr("5.00 times as many tokens take 32.0 % penetration")));
}

TEST(Articles, AnAgentSessionRepeatsWhatItSaid) {
  const MarketResult r = answer("articles/token-inflation");
  const TokenDemand& agent = r.demand->users.at(3).tokens;
  EXPECT_NEAR(agent.input / agent.output, 131, 6);  // the trace's ratio; turns are a median
  EXPECT_GT(agent.cached_input / agent.input, 0.942);
  EXPECT_NEAR(r.demand->users.at(4).tokens.input, 3 * agent.input, 1e-9 * agent.input);
  EXPECT_NEAR(r.demand->users.at(5).tokens.input, 0.7 * agent.input, 1e-9 * agent.input);
  EXPECT_EQ(r.demand->users.at(5).tokens.output, agent.output);
}

/// Throughput of a candidate over the reference.
double throughput(const MarketResult& r, const std::string& candidate, const std::string& mix) {
  const std::size_t m = mix_of(r, mix);
  for (const CandidateRatio& ratio : r.compare->mixes[m]) {
    if (r.mixes[m].run.candidates[static_cast<std::size_t>(ratio.candidate)].name == candidate)
      return ratio.throughput;
  }
  ADD_FAILURE() << candidate;
  return 0;
}

TEST(Articles, TheNineteenTimesIsOneMoeAgainstAnother) {
  const MarketResult r = answer("articles/qwen3.5-19x");
  // Claimed: 3.5 at 32k, 7.2 at 256k, conditions not stated. A roofline on 8 H200 gives 3.1 to 3.8
  // and 4.6 to 4.8 (fp8, bf16 cache). Ours must be near the first claim and not reach the second
  // without help; 20 % are the band of either throughput.
  const double at_32k = throughput(r, "Qwen3.5-397B", "32k");
  const double at_256k = throughput(r, "Qwen3.5-397B", "256k");
  EXPECT_NEAR(at_32k, 3.5, 0.7);
  EXPECT_NEAR(at_256k, 4.8, 1.0);
  EXPECT_GT(at_256k, at_32k);
  // Draft tokens, which the older model has none of, widen the gap at both lengths, and do not
  // close it at 256k with one draft token at an acceptance length of 1.8.
  EXPECT_GT(throughput(r, "Qwen3.5-397B, MTP", "32k"), at_32k);
  EXPECT_GT(throughput(r, "Qwen3.5-397B, MTP", "256k"), at_256k);
  EXPECT_LT(throughput(r, "Qwen3.5-397B, MTP", "256k"), 7.2);
  EXPECT_THAT(r.compare->findings,
              Contains(AllOf(HasSubstr("at 32k: 3.50 times"), HasSubstr("which fits"))));
}

TEST(Articles, BeingMoeSavesNoWeightsAtEqualTotalAndTakes23TimesAtEqualActive) {
  const MarketResult r = answer("articles/moe-vs-dense-equal-parameters");
  const std::size_t m = mix_of(r, "chat");
  const auto& candidates = r.mixes[m].run.candidates;
  ASSERT_EQ(candidates.size(), 3u);
  const CandidateRatio &total = r.compare->mixes[m][1], &active = r.compare->mixes[m][2];
  EXPECT_NEAR(total.parameters, 1, 0.005);
  EXPECT_NEAR(1 / active.parameters, 23, 0.5);  // 397 / 17
  EXPECT_NEAR(candidates[1].memory.weights.value / candidates[0].memory.weights.value, 1, 0.01);
  EXPECT_NEAR(candidates[0].active_parameters, candidates[2].active_parameters,
              0.02 * candidates[0].active_parameters);
  // Same attention: the cache of a sequence is the same.
  EXPECT_NEAR(total.sequence, 1, 0.05);
  EXPECT_NEAR(active.sequence, 1, 0.05);
  // What being MoE buys is time: twice the throughput of as many dense parameters, and less than as
  // many active ones alone.
  EXPECT_NEAR(total.throughput, 0.5, 0.1);
  EXPECT_GT(active.throughput, 1);
}

TEST(Market, PrintsTheMarginTableOfApril2026) {
  const MarketResult r = answer("market-2026-04");
  ASSERT_EQ(r.mixes.size(), 3u);
  for (const char* model : {"DeepSeek-V4-Flash", "DeepSeek-V3.2", "MiniMax-M2.5", "Step-3.5-Flash",
                            "Qwen3.5-397B-A17B", "Kimi-K2.5", "GLM-5", "GLM-5.1"}) {
    const OfferResult& offer = offer_of(r, model);
    EXPECT_EQ(offer.not_simulated, "") << model;
    for (const MarketCell& cell : offer.cells) {
      ASSERT_GE(cell.candidate, 0) << model << ": no candidate keeps the target";
      EXPECT_GT(cell.cost.low, 0);
      EXPECT_LE(cell.cost.low, cell.cost.value);
      EXPECT_LE(cell.cost.value, cell.cost.high);
      EXPECT_NEAR(cell.margin.value, 1 - cell.cost.value / cell.price, 1e-12);
      EXPECT_LE(cell.margin.low, cell.margin.value);
      EXPECT_LE(cell.margin.value, cell.margin.high);
      // All five assumptions but a precision that changes nothing, largest first.
      EXPECT_GE(cell.swings.size(), 4u) << model;
      EXPECT_TRUE(
          std::is_sorted(cell.swings.begin(), cell.swings.end(),
                         [](const Swing& a, const Swing& b) { return a.size() > b.size(); }));
      EXPECT_GT(cell.swings.front().size(), 0);
    }
  }
  for (const char* model :
       {"Claude-Opus-4.6", "Claude-Sonnet-4.6", "Qwen3.6-Plus", "Qwen3-Max", "Doubao-Seed-1.6"}) {
    EXPECT_EQ(offer_of(r, model).not_simulated, "closed") << model;
    for (const MarketCell& cell : offer_of(r, model).cells) {
      EXPECT_GT(cell.price, 0);
      EXPECT_EQ(cell.candidate, -1);
    }
  }
  EXPECT_THAT(r.findings, Contains(HasSubstr("The assumption that moves the margin most is")));
  const std::string text = render(r, Format::text);
  EXPECT_THAT(text, HasSubstr("not simulated (closed)"));
  EXPECT_THAT(text, HasSubstr("2026-04-26"));
}

TEST(Market, UtilisationAndThePriceOfTheGpuMoveTheCostInProportion) {
  const std::vector<std::string> small{"candidates=[{model: MiniMax-M2.5, hardware: H200-SXM}]",
                                       "market.offers=[{model: MiniMax-M2.5, seller: MiniMax}]",
                                       "market.precisions=[]"};
  const MarketResult r = answer("market-2026-04", small);
  const MarketCell& cell = r.offers.front().cells.front();
  const auto cost_at = [&](double margin) { return (1 - margin) * cell.price; };
  for (const Swing& s : cell.swings) {
    if (s.assumption == "utilisation") {
      EXPECT_NEAR(cost_at(s.low_margin), cell.cost.value * 0.5 / 0.3, 1e-9);
      EXPECT_NEAR(cost_at(s.high_margin), cell.cost.value * 0.5 / 0.816, 1e-9);
    }
    if (s.assumption == "GPU price") {  // 1.41 to 4.44 USD/h, of 1.60
      EXPECT_NEAR(cost_at(s.low_margin), cell.cost.value * 4.44 / 1.60, 1e-9);
      EXPECT_NEAR(cost_at(s.high_margin), cell.cost.value * 1.41 / 1.60, 1e-9);
    }
  }
  // At the break-even utilisation the cost is the price.
  EXPECT_NEAR(cell.cost.value * 0.5 / cell.break_even_utilisation, cell.price, 1e-9 * cell.price);
  // Another run at that hit rate gives the margin that the swing says.
  auto other = small;
  other.emplace_back("mixes.chat.workload.chat.prefix_hit_rate=0.3");
  const MarketResult cached = answer("market-2026-04", other);
  const double expected = cached.offers.front().cells.front().margin.value;
  const auto hit = std::find_if(cell.swings.begin(), cell.swings.end(),
                                [](const Swing& s) { return s.assumption == "hit rate"; });
  ASSERT_NE(hit, cell.swings.end());
  EXPECT_NEAR(std::max(hit->high_margin, hit->low_margin), expected, 0.01);
}

TEST(Market, EveryFormatIsWritten) {
  for (const char* name : {"articles/growth-2025-2030", "articles/price-ratios",
                           "articles/claude-enterprise", "articles/token-packs"}) {
    const MarketResult r = answer(name);
    for (const Format format : {Format::text, Format::json, Format::csv}) {
      const std::string out = render(r, format);
      EXPECT_GT(out.size(), 200u) << name;
      EXPECT_FALSE(std::regex_search(out, std::regex("[^a-z](nan|inf)[^a-z]"))) << name;
      EXPECT_EQ(out.back(), '\n') << name;
    }
  }
}

}  // namespace
}  // namespace tollgate
