#include "sim/pricing/sales.h"

#include "sim/pricing/arguments.h"
#include "sim/pricing/profit.h"

namespace tollgate {

double revenue_of(const BilledTokens& t, const TokenPrice& p) {
  constexpr double million = 1e6;
  require_not_negative(t.written, "the number of written tokens");
  const double write = p.cache_write >= 0 ? p.cache_write : p.input;
  return revenue_usd({t.input + t.cached, t.cached, t.output}, p) + t.written * write / million;
}

double mean_price_per_million(const BilledTokens& tokens, const TokenPrice& price) {
  require_positive(tokens.total(), "the number of tokens");
  return revenue_of(tokens, price) / tokens.total() * 1e6;
}

ClassMargin class_margin(double price, double cost) {
  return {gross_margin(price, cost), cost > 0 ? markup(price, cost) : 0};
}

Earnings earnings(double price_per_million, double gpu_hours_per_million, double usd_per_gpu_hour,
                  double facility_watts) {
  require_not_negative(price_per_million, "the price");
  require_positive(gpu_hours_per_million, "the GPU-hours per million tokens");
  require_not_negative(usd_per_gpu_hour, "the price per GPU-hour");
  require_not_negative(facility_watts, "the power of an accelerator");
  Earnings out;
  out.revenue_per_gpu_hour = price_per_million / gpu_hours_per_million;
  out.profit_per_gpu_hour = out.revenue_per_gpu_hour - usd_per_gpu_hour;
  const double gpus_per_mw = facility_watts > 0 ? 1e6 / facility_watts : 0;
  out.revenue_per_mw_hour = out.revenue_per_gpu_hour * gpus_per_mw;
  out.profit_per_mw_hour = out.profit_per_gpu_hour * gpus_per_mw;
  return out;
}

}  // namespace tollgate
