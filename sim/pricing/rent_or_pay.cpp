#include "sim/pricing/rent_or_pay.h"

#include "sim/pricing/arguments.h"

namespace tollgate {

RentOrPay rent_or_pay(double usd_per_hour, const Estimate& tokens_per_second,
                      double usd_per_million) {
  require_positive(usd_per_hour, "the rent");
  require_positive(tokens_per_second, "the throughput");
  require_positive(usd_per_million, "the price per million tokens");
  constexpr double seconds_per_hour = 3600, million = 1e6;
  RentOrPay out;
  out.usd_per_month = usd_per_hour * hours_per_month;
  out.tokens_per_month = scaled(tokens_per_second, hours_per_month * seconds_per_hour);
  out.usd_per_million = usd_per_million;
  out.crossing_tokens = out.usd_per_month / usd_per_million * million;
  out.crossing_use = inverse(out.crossing_tokens, out.tokens_per_month);
  return out;
}

double reservation_break_even(double reserved_usd_per_hour, double on_demand_usd_per_hour) {
  require_not_negative(reserved_usd_per_hour, "the reserved price");
  require_positive(on_demand_usd_per_hour, "the on-demand price");
  return reserved_usd_per_hour / on_demand_usd_per_hour;
}

}  // namespace tollgate
