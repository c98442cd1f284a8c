#pragma once

#include <string>
#include <vector>

#include "sim/spec/places.h"

namespace tollgate {

/// What an API charges per million tokens, from a date on.
struct TokenPrice {
  std::string model;  ///< name of a models/llm entry
  std::string seller;
  std::string date;  ///< ISO date, month or year from which it holds
  double input = 0;
  double cached_input = -1;  ///< -1 = not stated: cached tokens cost what other input costs
  double cache_write = -1;   ///< -1 = not stated: written tokens cost what other input costs
  double output = 0;
  std::string from;
  std::string note;
  Places places = {};
  std::string currency = "USD";  ///< of all prices above; ISO 4217
};

/// Prices under a condition: what is stated replaces the price, the rest is multiplied by `factor`.
struct PriceChange {
  std::string name;
  double input = -1, cached_input = -1, cache_write = -1, output = -1;  ///< -1 = not stated
  double factor = 1;
  std::string currency;  ///< of the stated prices; "" where none is
  Places places = {};
};

/// For requests whose prompt has more than `above` tokens, on all their tokens.
struct ContextTier : PriceChange {
  double above = 0;
};

/// Hours of every day in the tariff's time zone, minutes since midnight: from <= t < to; from > to
/// passes midnight.
struct TariffWindow : PriceChange {
  int from = 0, to = 0;
};

/// A token price with its conditions. Where several hold, tier, speed, batch and window are applied
/// in this order, each to what the one before left.
struct Tariff : TokenPrice {
  double cache_write_1h = -1;       ///< tokens kept for an hour instead of minutes; -1 = not stated
  std::vector<ContextTier> tiers;   ///< rising `above`
  std::vector<PriceChange> speeds;  ///< chosen by name: fast, priority, ...
  double batch_factor = -1;         ///< answers within a day; -1 = not offered
  int utc_offset = 0;               ///< minutes east of UTC; no daylight saving
  std::vector<TariffWindow> windows;  ///< do not overlap
};

/// A currency in dollars, on a date.
struct CurrencyRate {
  std::string currency;  ///< ISO 4217
  double per_usd = 0;    ///< units of the currency for one US dollar
  std::string date;
  std::string from;
  Places places = {};
};

/// Tokens paid for in advance, at one price whatever their kind.
struct TokenPack {
  std::string name, seller;
  std::string model;  ///< "" = any of the seller's
  std::string date;
  double tokens = 0;
  double price = 0;
  std::string currency;
  double valid_days = 0;  ///< 0 = not stated
  std::string from;
  Places places = {};
};

/// A fee per person and month, with or without usage on top.
struct SeatPlan {
  std::string name, seller;
  std::string date;
  double per_month = 0;
  std::string currency;
  bool usage_included = false;  ///< true: nothing on top; false: usage at the seller's token prices
  std::string from;
  Places places = {};
};

/// Throughput reserved by the hour.
struct ProvisionedPlan {
  std::string name, seller, model;
  std::string date;
  double per_hour = 0;  ///< price of one unit
  std::string currency;
  double input_tokens_per_second = 0;   ///< one unit carries, with the output below at once
  double output_tokens_per_second = 0;  ///< > 0
  std::string from;
  Places places = {};
};

}  // namespace tollgate
