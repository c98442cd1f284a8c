#pragma once

#include "sim/pricing/allocation.h"
#include "sim/pricing/tariff.h"

namespace tollgate {

/// Tokens of a mean request, as a seller bills them.
struct BilledTokens {
  double input = 0;    ///< computed and billed at the input price
  double written = 0;  ///< computed and billed as written to the cache
  double cached = 0;
  double output = 0;

  double total() const { return input + written + cached + output; }
};

/// Revenue of the tokens in the price's currency. Throws std::invalid_argument for negative
/// arguments.
double revenue_of(const BilledTokens& tokens, const TokenPrice& price);

/// Price per million tokens of the mix: revenue over all its tokens.
double mean_price_per_million(const BilledTokens& tokens, const TokenPrice& price);

/// What is left of a class's price, as a share of the price. Not defined where the price is 0.
struct ClassMargin {
  double gross_margin = 0;  ///< 1 - cost / price
  double markup = 0;        ///< price / cost - 1; 0 where the cost is 0
};
ClassMargin class_margin(double price, double cost);

/// Revenue and profit of the machines.
struct Earnings {
  double revenue_per_gpu_hour = 0;  ///< of hours paid for, utilisation included
  double profit_per_gpu_hour = 0;   ///< may be negative
  double revenue_per_mw_hour = 0;
  double profit_per_mw_hour = 0;
};

/// `gpu_hours_per_million` includes utilisation; `facility_watts` per accelerator, 0 = unknown:
/// then what is per megawatt is 0.
Earnings earnings(double price_per_million, double gpu_hours_per_million, double usd_per_gpu_hour,
                  double facility_watts);

}  // namespace tollgate
