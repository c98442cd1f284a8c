// Owning and renting by the hour: closed forms against schedules month by month, published figures.
#include "sim/pricing/cost_stack.h"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "sim/pricing/product.h"
#include "sim/pricing/rent_or_pay.h"
#include "sim/pricing/utilisation.h"

namespace tollgate {
namespace {

/// What is still owed after paying `payment` per period, interest on the rest added before.
double left_after(double loan, double payment, double rate, int periods) {
  for (int i = 0; i < periods; ++i) loan = loan * (1 + rate) - payment;
  return loan;
}

TEST(Capital, RecoveryFactorPaysALoanOffExactly) {
  for (const double rate : {0.001, 0.05, 0.1, 0.3}) {
    for (const int years : {1, 3, 4, 6, 15}) {
      const double payment = 1000 * capital_recovery_factor(rate, years);
      EXPECT_NEAR(left_after(1000, payment, rate, years), 0, 1e-8) << rate << " " << years;
      // The same by months: rate and payment of a month are those of a period.
      const double monthly = 1000 * capital_recovery_factor(rate / 12, years * 12);
      EXPECT_NEAR(left_after(1000, monthly, rate / 12, years * 12), 0, 1e-7);
    }
  }
}

TEST(Capital, SinkingFundSavesTheSum) {
  for (const double rate : {0.0, 1e-9, 0.05, 0.2}) {
    double saved = 0;
    for (int year = 0; year < 5; ++year) saved = saved * (1 + rate) + sinking_fund_factor(rate, 5);
    EXPECT_NEAR(saved, 1, 1e-9) << rate;
    EXPECT_NEAR(capital_recovery_factor(rate, 5) - sinking_fund_factor(rate, 5), rate, 1e-9);
  }
}

TEST(Capital, WithoutInterestItIsAStraightLine) {
  EXPECT_EQ(capital_recovery_factor(0, 4), 0.25);
  EXPECT_NEAR(capital_recovery_factor(1e-10, 4), 0.25, 1e-9);
}

// 50,000 USD over four years: 1.43 USD/h in a straight line, 1.80 USD/h at 10 %; 1.73 kW at 0.08
// USD/kWh are 0.138 USD/h.
TEST(Capital, AnH100AsPublished) {
  EXPECT_NEAR(capital_usd_per_hour({50000, 4, 0, 0, 1}), 1.43, 0.005);
  EXPECT_NEAR(capital_usd_per_hour({50000, 4, 0.1, 0, 1}), 1.80, 0.005);
  PowerDraw draw{exactly(1730), true, 1.3};
  EXPECT_NEAR(electricity_usd_per_hour(draw, 0.08).value, 0.138, 0.0005);
  draw.cooling_included = false;
  EXPECT_NEAR(electricity_usd_per_hour(draw, 0.08).value, 1.3 * 0.1384, 0.0005);
}

// Present value of all payments and of the sale in the end, year by year.
TEST(Capital, SalvageByPresentValue) {
  const OwnedCapital c{40000, 5, 0.08, 0.25, 0.9};
  const double per_year = capital_usd_per_hour(c) * 8760 * c.availability;
  double value = -c.usd;
  for (int year = 1; year <= 5; ++year) value += per_year / std::pow(1 + c.wacc, year);
  value += c.salvage * c.usd / std::pow(1 + c.wacc, 5);
  EXPECT_NEAR(value, 0, 1e-6);
}

TEST(CostStack, OwnedLinesAddUpAndZeroOnesAreLeftOut) {
  const PowerDraw draw{with_log_sd(1730, 0.1, Provenance::assumed), true, 1};
  const CostLine bought{"", {}, "list", "2026"}, power{"", {}, "grid", "2025"};
  const CostStack bare = owned_stack({50000, 4, 0.1, 0, 1}, bought, draw, 0.08, power, {});
  ASSERT_EQ(bare.lines.size(), 2u);
  EXPECT_EQ(bare.lines[0].date, "2026");
  EXPECT_EQ(bare.lines[1].source, "grid");
  OwnedRunning running;
  running.colocation_usd_per_kw_month = 100;
  running.staff_usd_per_hour = 0.05;
  running.spares_per_year = 0.02;
  running.licences_usd_per_hour = 0.1;
  const CostStack full = owned_stack({50000, 4, 0.1, 0, 1}, bought, draw, 0.08, power, running);
  ASSERT_EQ(full.lines.size(), 6u);
  const double added = 0.05 + 0.1 + 100 * 1.73 / 730 + 50000 * 0.02 / 8760;
  EXPECT_NEAR(full.total().value - bare.total().value, added, 1e-9);
  EXPECT_LT(full.total().low, full.total().value);
  EXPECT_EQ(full.total().provenance, Provenance::assumed);
  // Up nine hours of ten: every hour that can be used carries a ninth more.
  const CostStack down = owned_stack({50000, 4, 0.1, 0, 0.9}, bought, draw, 0.08, power, running);
  EXPECT_NEAR(down.total().value, full.total().value / 0.9, 1e-9);
}

TEST(CostStack, RentWithInterruptionsAndUpfront) {
  const CostLine rent{"rent", exactly(2), "list", "2026"};
  EXPECT_EQ(rent_stack("on-demand", rent, {}).lines.size(), 1u);
  RentTerms spot;
  spot.interruption = 0.2;
  EXPECT_NEAR(rent_stack("spot", rent, spot).total().value, 2 / 0.8, 1e-12);
  RentTerms reserved;
  reserved.upfront = 0.25;
  reserved.years = 3;
  reserved.wacc = 0.1;
  const double total = rent_stack("rent-3yr", rent, reserved).total().value;
  EXPECT_NEAR(total, 2 * (1 + 0.25 * (3 * capital_recovery_factor(0.1, 3) - 1)), 1e-12);
  spot.interruption = 1;
  EXPECT_THROW(rent_stack("spot", rent, spot), std::invalid_argument);
}

TEST(Energy, TokensPerJouleAndPerMegawatt) {
  // 1.73 kW for 0.1 GPU-hours per million tokens: 0.173 kWh, 622.8 kJ; 1.6056 tokens/J.
  const TokenEnergy e = token_energy(exactly(0.1), {exactly(1730), true, 1}, 0.5);
  EXPECT_NEAR(e.kwh_per_million.value, 0.173, 1e-12);
  EXPECT_NEAR(e.kg_co2_per_million.value, 0.0865, 1e-12);
  EXPECT_NEAR(e.tokens_per_joule.value, 1e6 / 622.8e3, 1e-9);
  // A megawatt feeds 578.03 such accelerators, each with 1e6 / 360 s tokens.
  EXPECT_NEAR(e.tokens_per_second_per_mw.value, 1e6 / 1730 * 1e6 / 360, 1e-3);
}

TEST(Utilisation, OfADayHeadroomAndFailures) {
  HourlyLoad day{};
  for (std::size_t hour = 0; hour < 24; ++hour) day[hour] = hour < 12 ? 1 : 2;
  EXPECT_DOUBLE_EQ(mean_over_peak(day), 0.75);
  EXPECT_DOUBLE_EQ(mean_over_peak(flat_load()), 1);
  // DeepSeek's day: 226.75 nodes on average, 278 at the peak.
  EXPECT_NEAR(utilisation_of({226.75 / 278, 0, 1}), 0.816, 0.0005);
  EXPECT_DOUBLE_EQ(utilisation_of({0.75, 0.1, 0.98}), 0.75 * 0.9 * 0.98);
  EXPECT_THROW(utilisation_of({1.2, 0, 1}), std::invalid_argument);
  EXPECT_THROW(utilisation_of({1, 1, 1}), std::invalid_argument);
  EXPECT_THROW(mean_over_peak(HourlyLoad{}), std::invalid_argument);
}

// Eight H200 at 1.60 USD/h are 9,344 USD a month: 6.9 G tokens of Qwen3.5-397B at 1.35 USD/M, or
// 2,634 tokens/s; eight B200 at 2.90 are 16,936 USD.
TEST(RentOrPay, PublishedCrossings) {
  const RentOrPay qwen = rent_or_pay(8 * 1.6, exactly(5268), 1.35);
  EXPECT_NEAR(qwen.usd_per_month, 9344, 0.5);
  EXPECT_NEAR(qwen.crossing_tokens / 1e9, 6.92, 0.005);
  EXPECT_NEAR(qwen.crossing_tokens / (730 * 3600), 2634, 1);
  EXPECT_NEAR(qwen.crossing_use.value, 0.5, 0.0005);
  EXPECT_NEAR(rent_or_pay(8 * 2.9, exactly(1), 1.35).usd_per_month, 16936, 0.5);
  EXPECT_NEAR(rent_or_pay(8 * 1.6, exactly(1), 1.55).crossing_tokens / 1e9, 6.0, 0.05);
  EXPECT_NEAR(rent_or_pay(8 * 1.6, exactly(1), 0.525).crossing_tokens / 1e9, 17.8, 0.05);
  EXPECT_THROW(rent_or_pay(8, exactly(0), 1), std::invalid_argument);
  EXPECT_DOUBLE_EQ(reservation_break_even(1.3, 2), 0.65);
}

TEST(Product, BandsOfIndependentFactorsAddAsARightAngle) {
  const Estimate a = with_log_sd(10, 0.3, Provenance::fitted);
  const Estimate b = with_log_sd(2, 0.4, Provenance::assumed);
  const Estimate expected = with_log_sd(20, 0.5, Provenance::assumed);
  EXPECT_NEAR(product(a, b).low, expected.low, 1e-12);
  EXPECT_NEAR(product(a, b).high, expected.high, 1e-12);
  EXPECT_EQ(product(a, b).provenance, Provenance::assumed);
  EXPECT_EQ(product(a, exactly(3)).high, 3 * a.high);
}

}  // namespace
}  // namespace tollgate
