// Money of whole runs: parts add up, answers agree with figures worked out here from other parts
// of the result, and more hits are never dearer.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/registry.h"
#include "sim/spec/scenario_schema.h"
#include "sim/study/run.h"

namespace tollgate {
namespace {

const char* const small_scenario = R"(schema_version: 1
name: small
workload:
  - {name: chat, input: 4000, output: 300, prefix_hit_rate: 0.5}
load: {kind: saturate}
slo: {ttft: 2 s, tpot: 40 ms}
routing: {layers: 1, tokens: 1024}
candidates:
  - {name: moe, model: MiniMax-M2.5, hardware: H200-SXM, deployment: {gpus: 8, tensor: 8, expert: 8}}
)";

const std::string tariff =
    "pricing.tariff={list: {date: 2026-07, input: 3 USD/Mtok, cached_input: 0.3 USD/Mtok, "
    "cache_write: 3.75 USD/Mtok, output: 15 USD/Mtok}, written: 0.25}";

CandidateResult run_one(std::vector<std::string> overrides) {
  Library library(TOLLGATE_REPOSITORY "/models");
  const Scenario s = parse_scenario(small_scenario, "small.yaml", overrides, library);
  return run_scenario(s, library, kernels::find_backend("tbb")).candidates.at(0);
}

double allocated(const CandidateResult& c) {
  double usd = 0;
  for (const ClassCost& line : c.cost.classes) usd += line.usd.value * line.tokens / 1e6;
  return usd;
}

TEST(Cost, ClassesAddUpToTheBillUnderEveryAdditiveRule) {
  for (const char* rule : {"phase_time", "token_ratio", "output_only", "total_tokens",
                           "marginal_resource", "revenue_weighted"}) {
    const CandidateResult c = run_one({tariff, std::string("pricing.allocation=") + rule});
    const double bill = c.usd_per_million_tokens.value * 4300 / 1e6;
    EXPECT_NEAR(allocated(c) / bill, 1, 1e-9) << rule;
    EXPECT_EQ(to_string(c.cost.rule), rule);
    ASSERT_EQ(c.cost.classes.size(), 4u);
    EXPECT_LE(c.cost.classes[2].usd.value, c.cost.classes[0].usd.value) << rule;
    for (const ClassCost& line : c.cost.classes) {
      EXPECT_LE(line.usd.low, line.usd.value);
      EXPECT_LE(line.usd.value, line.usd.high);
      // Dollars are GPU-hours times the price.
      EXPECT_NEAR(line.usd.value, line.gpu_hours.value * c.price.usd_per_hour, 1e-12);
    }
  }
}

TEST(Cost, UtilisationIsTheProductOfItsParts) {
  const CandidateResult full = run_one({});
  const CandidateResult part =
      run_one({"pricing.utilisation={diurnal: 0.8, headroom: 0.1, availability: 0.95}"});
  EXPECT_NEAR(part.cost.utilisation, 0.8 * 0.9 * 0.95, 1e-12);
  EXPECT_NEAR(part.usd_per_million_tokens.value * part.cost.utilisation,
              full.usd_per_million_tokens.value, 1e-9);
  EXPECT_NEAR(part.cost.energy.kwh_per_million.value * part.cost.utilisation,
              full.cost.energy.kwh_per_million.value, 1e-9);
}

TEST(Cost, OwningReplacesTheRentLineByLine) {
  const CandidateResult c =
      run_one({"pricing.ownership={capital: 50000 USD, years: 4, wacc: 0.1, licences: 0.1 USD/h}",
               "pricing.power={price: 0.08 USD/kWh, draw: 1.73 kW}"});
  double total = 0;
  for (const CostLine& line : c.cost.stack.lines) total += line.usd_per_gpu_hour.value;
  const double annuity = 50000 * 0.1 / (1 - std::pow(1.1, -4)) / 8760;
  EXPECT_NEAR(total, annuity + 1.73 * 0.08 + 0.1, 1e-9);
  EXPECT_NEAR(c.price.usd_per_hour, total, 1e-12);
  EXPECT_NEAR(c.usd_per_million_output_tokens.value,
              total * c.gpu_hours_per_million_output_tokens.value, 1e-9);
  EXPECT_EQ(c.cost.stack.level, "owned");
}

TEST(Cost, MarginsFollowFromPriceAndCost) {
  const CandidateResult c = run_one({tariff, "pricing.utilisation=0.5"});
  const SalesResult& s = *c.cost.sales;
  // 1,500 at 3, 500 written at 3.75, 2,000 cached at 0.3 and 300 out at 15: 0.011475 USD.
  EXPECT_NEAR(s.price_per_million, 0.011475 / 4300 * 1e6, 1e-9);
  const double cost = c.usd_per_million_tokens.value;
  EXPECT_NEAR(s.gross_margin.value, 1 - cost / s.price_per_million, 1e-12);
  EXPECT_NEAR(s.markup.value, s.price_per_million / cost - 1, 1e-9);
  EXPECT_LE(s.gross_margin.low, s.gross_margin.value);
  EXPECT_LE(s.gross_margin.value, s.gross_margin.high);
  EXPECT_NEAR(s.profit_per_gpu_hour.value, s.revenue_per_gpu_hour.value - c.price.usd_per_hour,
              1e-12);
  EXPECT_NEAR(s.profit_per_mw_hour.value, s.profit_per_gpu_hour.value * 1e6 / 1730, 1e-6);
  // At the break-even use the margin is gone.
  const CandidateResult even =
      run_one({tariff, "pricing.utilisation=" + std::to_string(s.break_even_utilisation.value)});
  EXPECT_NEAR(even.cost.sales->gross_margin.value, 0, 1e-3);
}

TEST(Cost, RentOrPayCrossesWhereBothBillsAreEqual) {
  const CandidateResult c =
      run_one({tariff, "answers.rent_or_pay.level=on-demand",
               "answers.commitment={reserved: rent-3yr, on_demand: on-demand}"});
  const RentOrPayResult& r = *c.cost.rent_or_pay;
  EXPECT_NEAR(r.crossing.crossing_tokens / 1e6 * c.cost.sales->price_per_million,
              r.rent.usd_per_hour * 8 * 730, 1e-6);
  const double served =
      (c.input_tokens_per_second_per_gpu.value + c.output_tokens_per_second_per_gpu.value) * 8 *
      730 * 3600;
  EXPECT_NEAR(r.crossing.tokens_per_month.value / served, 1, 1e-12);
  EXPECT_NEAR(r.crossing.crossing_use.value, r.crossing.crossing_tokens / served, 1e-9);
  EXPECT_NEAR(c.cost.commitment->break_even_use,
              c.cost.commitment->reserved.usd_per_hour / c.cost.commitment->on_demand.usd_per_hour,
              1e-12);
}

TEST(Cost, TokenInflation) {
  const CandidateResult c =
      run_one({tariff,
               "answers.inflation={cache_hit_rate: [0, 0.25, 0.5, 0.75, 0.95], "
               "prompt_compression: [0.3], reasoning: [2], fan_out: [4], turns: [5]}"});
  const std::vector<InflationResult>& t = c.cost.inflation;
  ASSERT_EQ(t.size(), 10u);
  EXPECT_NEAR(t[0].usd_per_task.value, c.usd_per_million_tokens.value * 4300 / 1e6, 1e-12);
  EXPECT_NEAR(*t[0].price_per_task, 0.011475, 1e-12);
  for (std::size_t i = 2; i <= 5; ++i) {
    EXPECT_LT(t[i].usd_per_task.value, t[i - 1].usd_per_task.value) << "hit rate " << t[i].value;
    EXPECT_LT(*t[i].price_per_task, *t[i - 1].price_per_task);
  }
  EXPECT_NEAR(t[3].usd_per_task.value, t[0].usd_per_task.value, 1e-12);
  EXPECT_LT(t[6].usd_per_task.value, t[0].usd_per_task.value);
  EXPECT_GT(t[7].usd_per_task.value, t[0].usd_per_task.value);
  EXPECT_NEAR(t[8].usd_per_task.value, 4 * t[0].usd_per_task.value, 1e-12);
  EXPECT_NEAR(*t[8].price_per_task, 4 * *t[0].price_per_task, 1e-12);
  EXPECT_GT(t[9].usd_per_task.value, 5 * t[0].usd_per_task.value);
}

TEST(Cost, ThePriceOfThePeakHoursIsPaidByTheLoadInThem) {
  const std::string windows =
      "pricing.tariff={list: {date: 2026-07, input: 1 USD/Mtok, output: 1 USD/Mtok, windows: "
      "[{name: "
      "peak, hours: '00:00-12:00', factor: 3}]}}";
  const CandidateResult flat = run_one({windows});
  EXPECT_NEAR(flat.cost.sales->price.input, 2, 1e-9);
  std::string day = "pricing.utilisation={diurnal: [";
  for (int hour = 0; hour < 24; ++hour)
    day += std::string(hour ? ", " : "") + (hour < 12 ? "3" : "1");
  const CandidateResult skewed = run_one({windows, day + "]}"});
  EXPECT_NEAR(skewed.cost.sales->price.input, (3 * 3 + 1) / 4.0, 1e-9);
  EXPECT_NEAR(skewed.cost.utilisation, 2.0 / 3, 1e-12);
}

}  // namespace
}  // namespace tollgate
