// The month's bill against FOCUS 1.2 (FOCUS_Spec v1.2, Cost and Usage): columns, allowed values,
// and sums.
#include "sim/report/focus_report.h"

#include <gtest/gtest.h>

#include <set>

#include "sample_result.h"
#include "sim/base/csv.h"

namespace tollgate {
namespace {

RunResult sold() {
  RunResult result = sample::result();
  result.scenario = "a, \"b\"";
  for (CandidateResult& c : result.candidates) {
    c.cost.stack = {"on-demand",
                    {{"rent", exactly(1.5), "a list", "2026-02-10"},
                     {"interruptions", exactly(0.5), "terms of the scenario", "2026-02-10"}}};
    c.cost.gpu_hours_per_million = exactly(0.25);
    c.cost.classes = {{"input", 1000, exactly(0.1), exactly(0.2), 1.0, std::nullopt},
                      {"cached input", 500, exactly(0.1), exactly(0.2), 0.1, std::nullopt},
                      {"output", 500, exactly(0.5), exactly(1), 4.0, std::nullopt}};
    SalesResult sales;
    sales.price.seller = "a seller";
    sales.price.date = "2026-01";
    sales.currency = "CNY at 7 per USD (2025)";
    sales.per_usd = 7;
    c.cost.sales = sales;
    PackResult pack;
    pack.pack.name = "15 M";
    pack.pack.seller = "a carrier";
    pack.pack.date = "2026-01-05";
    pack.pack.tokens = 15e6;
    pack.pack.price = 42;
    pack.pack.currency = "CNY";
    pack.per_usd = 7;
    pack.breakage = 0.2;
    c.cost.pack = pack;
  }
  return result;
}

double value(const CsvTable& table, std::size_t row, const char* column) {
  return std::stod(table.text(row, column));
}

TEST(Focus, HasTheMandatoryColumnsAndFillsThoseThatMayNotBeNull) {
  const CsvTable table = CsvTable::parse(focus_report(sold()), "focus.csv");
  ASSERT_GT(table.rows(), 0u);
  const std::set<std::string> may_be_null = {"BillingAccountName", "ChargeClass",
                                             "ChargeDescription", "PricingQuantity", "PricingUnit"};
  for (const char* column :
       {"BilledCost",        "BillingAccountId",   "BillingAccountName", "BillingCurrency",
        "BillingPeriodEnd",  "BillingPeriodStart", "ChargeCategory",     "ChargeClass",
        "ChargeDescription", "ChargePeriodEnd",    "ChargePeriodStart",  "ContractedCost",
        "EffectiveCost",     "InvoiceIssuerName",  "ListCost",           "PricingQuantity",
        "PricingUnit",       "ProviderName",       "PublisherName",      "ServiceCategory",
        "ServiceName"}) {
    EXPECT_TRUE(table.has(column)) << column;
    if (may_be_null.contains(column)) continue;
    for (std::size_t row = 0; row < table.rows(); ++row)
      EXPECT_FALSE(table.text(row, column).empty()) << column << " of row " << row;
  }
  // Conditional: several currencies and a virtual one.
  for (const char* column :
       {"PricingCurrency", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost",
        "PricingCurrencyListUnitPrice", "ListUnitPrice", "ContractedUnitPrice", "PricingCategory",
        "ConsumedQuantity", "ConsumedUnit", "SkuId", "SkuPriceId", "SkuMeter"}) {
    EXPECT_TRUE(table.has(column)) << column;
  }
}

TEST(Focus, ValuesAreThoseTheSpecificationAllows) {
  const CsvTable table = CsvTable::parse(focus_report(sold()), "focus.csv");
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const auto one_of = [&](const char* column, std::set<std::string> allowed) {
      EXPECT_TRUE(allowed.contains(table.text(row, column)))
          << column << ": " << table.text(row, column);
    };
    one_of("ChargeCategory", {"Usage", "Purchase", "Tax", "Credit", "Adjustment"});
    one_of("ChargeClass", {"", "Correction"});
    one_of("ChargeFrequency", {"One-Time", "Recurring", "Usage-Based"});
    one_of("PricingCategory", {"Standard", "Dynamic", "Committed", "Other"});
    one_of("ServiceCategory", {"Compute", "AI and Machine Learning"});
    one_of("CommitmentDiscountStatus", {"", "Used", "Unused"});
    EXPECT_EQ(table.text(row, "BillingCurrency"), "USD");
    EXPECT_EQ(table.text(row, "ChargePeriodStart"), "2026-02-01T00:00:00Z");
    EXPECT_EQ(table.text(row, "ChargePeriodEnd"), "2026-03-01T00:00:00Z");
    EXPECT_NEAR(value(table, row, "ListCost"),
                value(table, row, "ListUnitPrice") * value(table, row, "PricingQuantity"), 1e-6);
  }
}

// Eight accelerators for the 672 hours of February 2026 at 1.50 + 0.50 USD, 0.25 GPU-hours per
// million tokens: 21,504 M tokens, half of them input.
TEST(Focus, AMonthOfOneCandidate) {
  const RunResult result = sold();
  const CsvTable table = CsvTable::parse(focus_report(result), "focus.csv");
  double operators = 0, customers = 0, tokens = 0, cny = 0;
  std::string first;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (first.empty()) first = table.text(row, "SubAccountId");
    if (table.text(row, "SubAccountId") != first) continue;
    const std::string account = table.text(row, "BillingAccountId");
    if (account.ends_with("/operator")) operators += value(table, row, "BilledCost");
    if (!account.ends_with("/customers")) continue;
    customers += value(table, row, "BilledCost");
    tokens += value(table, row, "ConsumedQuantity");
    cny += value(table, row, "PricingCurrencyEffectiveCost");
    EXPECT_EQ(table.text(row, "PricingCurrency"), "CNY");
    EXPECT_EQ(table.text(row, "PricingUnit"), "1000000 Tokens");
  }
  EXPECT_NEAR(operators, 8 * 672 * 2.0, 1e-6);
  EXPECT_NEAR(tokens, 21504e6, 1);
  EXPECT_NEAR(customers, 10752 * 1.0 + 5376 * 0.1 + 5376 * 4.0, 1e-6);
  EXPECT_NEAR(cny, 7 * customers, 1e-6);
}

// The pattern of prepaid tokens: the purchase is billed and has no effective cost, draws and lapsed
// tokens have the effective cost and no bill; both sum to the price of the pack.
TEST(Focus, PrepaidTokensAreAVirtualCurrency) {
  const CsvTable table = CsvTable::parse(focus_report(sold()), "focus.csv");
  std::string first;
  double billed = 0, effective = 0, drawn = 0;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (first.empty()) first = table.text(row, "SubAccountId");
    if (table.text(row, "SubAccountId") != first ||
        !table.text(row, "BillingAccountId").ends_with("/prepaid"))
      continue;
    billed += value(table, row, "BilledCost");
    effective += value(table, row, "EffectiveCost");
    if (table.text(row, "ChargeCategory") == "Purchase") {
      EXPECT_EQ(value(table, row, "EffectiveCost"), 0);
      EXPECT_EQ(value(table, row, "PricingCurrencyEffectiveCost"), 0);
    } else {
      EXPECT_EQ(table.text(row, "PricingCurrency"), "Tokens");
      EXPECT_EQ(value(table, row, "BilledCost"), 0);
      drawn += value(table, row, "PricingCurrencyEffectiveCost");
    }
  }
  EXPECT_NEAR(billed, 6, 1e-9);
  EXPECT_NEAR(effective, 6, 1e-9);
  EXPECT_NEAR(drawn, 15e6, 1e-3);
}

}  // namespace
}  // namespace tollgate
