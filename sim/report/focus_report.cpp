#include "sim/report/focus_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "sim/base/csv.h"
#include "sim/base/text.h"
#include "sim/report/facts.h"
#include "sim/spec/money.h"

namespace tollgate {
namespace {

// FOCUS_Spec 1.2, Cost and Usage; the order is that of the names.
constexpr std::array columns{"BilledCost",
                             "BillingAccountId",
                             "BillingAccountName",
                             "BillingCurrency",
                             "BillingPeriodEnd",
                             "BillingPeriodStart",
                             "ChargeCategory",
                             "ChargeClass",
                             "ChargeDescription",
                             "ChargeFrequency",
                             "ChargePeriodEnd",
                             "ChargePeriodStart",
                             "CommitmentDiscountCategory",
                             "CommitmentDiscountId",
                             "CommitmentDiscountName",
                             "CommitmentDiscountQuantity",
                             "CommitmentDiscountStatus",
                             "CommitmentDiscountType",
                             "CommitmentDiscountUnit",
                             "ConsumedQuantity",
                             "ConsumedUnit",
                             "ContractedCost",
                             "ContractedUnitPrice",
                             "EffectiveCost",
                             "InvoiceIssuerName",
                             "ListCost",
                             "ListUnitPrice",
                             "PricingCategory",
                             "PricingCurrency",
                             "PricingCurrencyContractedUnitPrice",
                             "PricingCurrencyEffectiveCost",
                             "PricingCurrencyListUnitPrice",
                             "PricingQuantity",
                             "PricingUnit",
                             "ProviderName",
                             "PublisherName",
                             "ResourceId",
                             "ResourceName",
                             "ResourceType",
                             "ServiceCategory",
                             "ServiceName",
                             "ServiceSubcategory",
                             "SkuId",
                             "SkuMeter",
                             "SkuPriceDetails",
                             "SkuPriceId",
                             "SubAccountId",
                             "SubAccountName",
                             "SubAccountType"};

using Row = std::map<std::string, std::string>;

std::string number(double value) { return std::isfinite(value) ? shortest(value) : ""; }

struct Month {
  std::string start, end;
  double hours = 0;
};

/// The calendar month, in UTC, that a date lies in.
Month month_of(const std::string& date) {
  const std::string day = first_day(date.empty() ? "1970" : date);
  const int year = std::stoi(day.substr(0, 4)), month = std::stoi(day.substr(5, 2));
  const auto text = [](int y, int m) {
    return std::to_string(y) + (m < 10 ? "-0" : "-") + std::to_string(m) + "-01T00:00:00Z";
  };
  return {text(year, month), month == 12 ? text(year + 1, 1) : text(year, month + 1),
          24.0 * days_in(year, month)};
}

Month month_of(const CandidateResult& c) {
  std::string newest;
  const auto consider = [&](const std::string& date) {
    if (is_date(date) && first_day(date) > newest) newest = first_day(date);
  };
  for (const CostLine& line : c.cost.stack.lines) consider(line.date);
  if (c.cost.sales) consider(c.cost.sales->price.date);
  if (c.cost.pack) consider(c.cost.pack->pack.date);
  return month_of(newest);
}

/// A row of usage at one price; cost columns follow from quantity and price.
Row usage(const RunResult& result, const CandidateResult& c, const Month& month,
          const std::string& account, double quantity, const std::string& unit, double usd) {
  const std::string cost = number(quantity * usd), price = number(usd), count = number(quantity);
  return {{"BillingAccountId", result.scenario + "/" + account},
          {"BillingAccountName", result.scenario + ", " + account},
          {"BillingCurrency", "USD"},
          {"BillingPeriodStart", month.start},
          {"BillingPeriodEnd", month.end},
          {"ChargePeriodStart", month.start},
          {"ChargePeriodEnd", month.end},
          {"ChargeCategory", "Usage"},
          {"ChargeFrequency", "Usage-Based"},
          {"BilledCost", cost},
          {"EffectiveCost", cost},
          {"ListCost", cost},
          {"ContractedCost", cost},
          {"ListUnitPrice", price},
          {"ContractedUnitPrice", price},
          {"PricingCategory", "Standard"},
          {"PricingCurrency", "USD"},
          {"PricingCurrencyListUnitPrice", price},
          {"PricingCurrencyContractedUnitPrice", price},
          {"PricingCurrencyEffectiveCost", cost},
          {"PricingQuantity", count},
          {"PricingUnit", unit},
          {"ConsumedQuantity", count},
          {"ConsumedUnit", unit},
          {"SubAccountId", c.name},
          {"SubAccountName", c.name},
          {"SubAccountType", "Candidate"}};
}

void name_provider(Row& row, const std::string& name) {
  for (const char* column : {"ProviderName", "PublisherName", "InvoiceIssuerName"}) {
    row[column] = name.empty() ? "not stated" : name;
  }
}

const char* pricing_category(const std::string& level) {
  if (level == "spot") return "Dynamic";
  if (level.starts_with("rent-")) return "Committed";
  return level == "on-demand" ? "Standard" : "Other";
}

double gpu_hours_of(const CandidateResult& c, const Month& month) {
  return month.hours * c.gpus * c.replicas;
}

void add_stack(const RunResult& result, const CandidateResult& c, const Month& month,
               std::vector<Row>& rows) {
  for (const CostLine& line : c.cost.stack.lines) {
    Row row = usage(result, c, month, "operator", gpu_hours_of(c, month), "Hours",
                    line.usd_per_gpu_hour.value);
    name_provider(row, line.source);
    row["ChargeDescription"] = line.name + " of " + std::to_string(c.gpus * c.replicas) + " x " +
                               c.hardware + (line.date.empty() ? "" : ", price of " + line.date);
    row["PricingCategory"] = pricing_category(c.cost.stack.level);
    row["ServiceCategory"] = "Compute";
    row["ServiceSubcategory"] = "Other (Compute)";
    row["ServiceName"] = c.hardware;
    row["ResourceId"] = row["ResourceName"] = c.name;
    row["ResourceType"] = c.hardware;
    row["SkuId"] = c.hardware + "/" + line.name;
    row["SkuPriceId"] = c.hardware + "/" + c.cost.stack.level + "/" + line.name;
    row["SkuMeter"] = "Accelerator hours";
    rows.push_back(row);
  }
}

void add_sales(const RunResult& result, const CandidateResult& c, const Month& month,
               std::vector<Row>& rows) {
  const SalesResult& s = *c.cost.sales;
  double per_request = 0;
  for (const ClassCost& line : c.cost.classes) per_request += line.tokens;
  const double millions = gpu_hours_of(c, month) / c.cost.gpu_hours_per_million.value;
  const std::string currency = s.currency.empty() ? "USD" : s.currency.substr(0, 3);
  const double per_usd = s.per_usd;
  for (const ClassCost& line : c.cost.classes) {
    if (!line.price || per_request <= 0) continue;
    const double quantity = millions * line.tokens / per_request;
    Row row = usage(result, c, month, "customers", quantity, "1000000 Tokens", *line.price);
    name_provider(row, s.price.seller);
    row["ChargeDescription"] = line.name + " tokens of " + c.model + ", price of " + s.price.date;
    row["ConsumedQuantity"] = number(quantity * 1e6);
    row["ConsumedUnit"] = "Tokens";
    row["PricingCurrency"] = currency;
    row["PricingCurrencyListUnitPrice"] = row["PricingCurrencyContractedUnitPrice"] =
        number(*line.price * per_usd);
    row["PricingCurrencyEffectiveCost"] = number(quantity * *line.price * per_usd);
    row["ServiceCategory"] = "AI and Machine Learning";
    row["ServiceSubcategory"] = "Generative AI";
    row["ServiceName"] = c.model;
    row["SkuId"] = c.model + "/" + line.name;
    row["SkuPriceId"] = s.price.seller + "/" + c.model + "/" + line.name + "/" + s.price.date;
    row["SkuMeter"] = line.name + " tokens";
    row["SkuPriceDetails"] = std::string("{\"TokenDirection\":\"") +
                             (line.name == "output" ? "Output" : "Input") + "\"}";
    rows.push_back(row);
  }
}

void add_pack(const RunResult& result, const CandidateResult& c, const Month& month,
              std::vector<Row>& rows) {
  const PackResult& p = *c.cost.pack;
  const double paid = p.pack.price / p.per_usd, each = paid / p.pack.tokens;
  const auto row_of = [&](double quantity, const std::string& unit, double usd,
                          const std::string& what) {
    Row row = usage(result, c, month, "prepaid", quantity, unit, usd);
    name_provider(row, p.pack.seller);
    row["ChargeDescription"] = what + " " + p.pack.name + ", price of " + p.pack.date;
    row["PricingCategory"] = "Committed";
    row["CommitmentDiscountCategory"] = "Usage";
    row["CommitmentDiscountId"] = p.pack.seller + "/" + p.pack.name;
    row["CommitmentDiscountName"] = p.pack.name;
    row["CommitmentDiscountType"] = "Token pack";
    row["CommitmentDiscountQuantity"] = number(what == "purchase of" ? p.pack.tokens : quantity);
    row["CommitmentDiscountUnit"] = "Tokens";
    row["ServiceCategory"] = "AI and Machine Learning";
    row["ServiceSubcategory"] = "Generative AI";
    row["ServiceName"] = p.pack.model.empty() ? "any model" : p.pack.model;
    row["SkuId"] = row["SkuPriceId"] = p.pack.seller + "/" + p.pack.name;
    row["SkuMeter"] = "Prepaid tokens";
    return row;
  };
  Row bought = row_of(1, "Packs", paid, "purchase of");
  bought["ChargeCategory"] = "Purchase";
  bought["ChargeFrequency"] = "One-Time";
  bought["EffectiveCost"] = "0";
  bought["ConsumedQuantity"] = bought["ConsumedUnit"] = "";
  bought["PricingCurrency"] = p.pack.currency;
  bought["PricingCurrencyListUnitPrice"] = bought["PricingCurrencyContractedUnitPrice"] =
      number(p.pack.price);
  bought["PricingCurrencyEffectiveCost"] = "0";
  rows.push_back(bought);
  const auto drawn = [&](double tokens, const char* what, const char* status) {
    if (tokens <= 0) return;
    Row row = row_of(tokens, "Tokens", each, what);
    row["BilledCost"] = "0";
    row["CommitmentDiscountStatus"] = status;
    // A prepaid token is the currency that usage is priced in: one for one.
    row["PricingCurrency"] = "Tokens";
    row["PricingCurrencyListUnitPrice"] = row["PricingCurrencyContractedUnitPrice"] = "1";
    row["PricingCurrencyEffectiveCost"] = number(tokens);
    if (status == std::string("Unused")) row["ConsumedQuantity"] = row["ConsumedUnit"] = "";
    rows.push_back(row);
  };
  drawn(p.pack.tokens * (1 - p.breakage), "tokens drawn from", "Used");
  drawn(p.pack.tokens * p.breakage, "tokens lapsed of", "Unused");
}

}  // namespace

std::string focus_report(const RunResult& result) {
  std::vector<Row> rows;
  for (const CandidateResult& c : result.candidates) {
    if (!has_operating_point(c) || c.cost.gpu_hours_per_million.value <= 0) continue;
    const Month month = month_of(c);
    add_stack(result, c, month, rows);
    if (c.cost.sales) add_sales(result, c, month, rows);
    if (c.cost.pack) add_pack(result, c, month, rows);
  }
  std::string out;
  const auto line = [&](auto&& cell) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (i > 0) out += ',';
      out += csv_field(cell(columns[i]));
    }
    out += "\r\n";
  };
  line([](const char* column) { return std::string(column); });
  for (const Row& row : rows) {
    line([&](const char* column) {
      const auto at = row.find(column);
      return at == row.end() ? std::string() : at->second;
    });
  }
  return out;
}

}  // namespace tollgate
