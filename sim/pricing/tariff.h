#pragma once

#include <array>
#include <string>

#include "sim/spec/tariff_spec.h"

namespace tollgate {

/// What decides which of a tariff's prices apply to a request.
struct RequestTerms {
  double prompt_tokens = 0;  ///< cached ones included
  std::string speed;         ///< name of one of Tariff::speeds; "" = the usual
  bool batch = false;        ///< answer within a day; needs Tariff::batch_factor
  bool long_cache = false;   ///< written tokens are kept for an hour
};

/// Share of the day's requests in each hour of UTC; need not sum to 1.
using HourlyLoad = std::array<double, 24>;

/// The same load at every hour.
HourlyLoad flat_load();

/// The prices of a request that is sent at `minute_utc` (0..1439), in the tariff's currency.
/// Throws std::invalid_argument: a speed or batch service that the tariff does not have, negative
/// or non-finite arguments.
TokenPrice price_at(const Tariff& tariff, const RequestTerms& terms, int minute_utc);

/// The mean over a day, minute by minute, weighted by load. Throws as price_at, and where the load
/// is negative or nothing.
TokenPrice mean_price(const Tariff& tariff, const RequestTerms& terms, const HourlyLoad& load);

/// The price in US dollars, at `per_usd` units of its currency for one dollar.
TokenPrice in_usd(const TokenPrice& price, double per_usd);

/// What prepaid tokens cost per million of those used: price / (tokens x (1 - breakage)).
/// `breakage` is the share that lapses unused, 0 <= b < 1.
double pack_price(const TokenPack& pack, double breakage);

/// What reserved throughput costs per million tokens used, input and output together, at a mean use
/// of `utilisation` (0..1, above 0) of what is reserved.
double provisioned_price(const ProvisionedPlan& plan, double utilisation);

/// Fee plus usage of one person for a month, in the plan's currency. `tokens` a month at
/// `per_million` each; nothing is added where usage is included.
double seat_bill(const SeatPlan& plan, double tokens, double per_million);

/// Tokens a month at which a flat plan and a plan with usage on top cost the same:
/// (flat - fee) / price per million x 1e6; 0 where the fee alone is dearer. Needs price > 0.
double seat_break_even_tokens(double flat_per_month, double fee_per_month, double per_million);

}  // namespace tollgate
