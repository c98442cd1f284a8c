#pragma once

#include "sim/base/estimate.h"

namespace tollgate {

/// Mean hours of a month, 8760 / 12.
inline constexpr double hours_per_month = 730;

/// The same machines either rented by the hour or paid for by the token.
struct RentOrPay {
  double usd_per_month = 0;    ///< rent of the machines
  Estimate tokens_per_month;   ///< most they serve under the latency target, input and output
  double usd_per_million = 0;  ///< blended price per token
  double crossing_tokens = 0;  ///< a month, where both cost the same: rent / price
  Estimate crossing_use;       ///< the same over what the machines serve; above 1: never reached
};

/// Buyer: renting is cheaper above the crossing. Seller: billing by the token earns more than
/// letting the machines above the same crossing. `tokens_per_second` are those of all machines.
/// Throws std::invalid_argument unless everything is positive.
RentOrPay rent_or_pay(double usd_per_hour, const Estimate& tokens_per_second,
                      double usd_per_million);

/// Share of hours in use from which a reservation, paid for every hour, is cheaper than paying
/// only for the hours in use: reserved / on demand. Above 1: never.
double reservation_break_even(double reserved_usd_per_hour, double on_demand_usd_per_hour);

}  // namespace tollgate
