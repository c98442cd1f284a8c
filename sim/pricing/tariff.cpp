#include "sim/pricing/tariff.h"

#include <algorithm>
#include <stdexcept>

#include "sim/pricing/arguments.h"

namespace tollgate {
namespace {

constexpr double million = 1e6;
constexpr double seconds_per_hour = 3600;
constexpr int minutes_per_day = 24 * 60;

void scale(TokenPrice& price, double factor) {
  price.input *= factor;
  if (price.cached_input >= 0) price.cached_input *= factor;
  if (price.cache_write >= 0) price.cache_write *= factor;
  price.output *= factor;
}

void apply(const PriceChange& change, TokenPrice& price) {
  scale(price, change.factor);
  if (change.input >= 0) price.input = change.input;
  if (change.cached_input >= 0) price.cached_input = change.cached_input;
  if (change.cache_write >= 0) price.cache_write = change.cache_write;
  if (change.output >= 0) price.output = change.output;
}

bool holds(const TariffWindow& window, int minute) {
  return window.from < window.to ? minute >= window.from && minute < window.to
                                 : minute >= window.from || minute < window.to;
}

}  // namespace

HourlyLoad flat_load() {
  HourlyLoad load;
  load.fill(1);
  return load;
}

TokenPrice price_at(const Tariff& tariff, const RequestTerms& terms, int minute_utc) {
  require_not_negative(terms.prompt_tokens, "the number of prompt tokens");
  if (minute_utc < 0 || minute_utc >= minutes_per_day) {
    throw std::invalid_argument("the minute of the day must be from 0 to 1439.");
  }
  TokenPrice price = tariff;
  if (terms.long_cache && tariff.cache_write_1h >= 0) price.cache_write = tariff.cache_write_1h;
  const ContextTier* tier = nullptr;
  for (const ContextTier& t : tariff.tiers) {
    if (terms.prompt_tokens > t.above) tier = &t;
  }
  if (tier) apply(*tier, price);
  if (!terms.speed.empty()) {
    const auto speed = std::find_if(tariff.speeds.begin(), tariff.speeds.end(),
                                    [&](const PriceChange& s) { return s.name == terms.speed; });
    if (speed == tariff.speeds.end()) {
      throw std::invalid_argument("the tariff has no speed named '" + terms.speed + "'.");
    }
    apply(*speed, price);
  }
  if (terms.batch) {
    if (tariff.batch_factor < 0) throw std::invalid_argument("the tariff has no batch service.");
    scale(price, tariff.batch_factor);
  }
  const int local = (minute_utc + tariff.utc_offset + minutes_per_day) % minutes_per_day;
  for (const TariffWindow& window : tariff.windows) {
    if (holds(window, local)) apply(window, price);
  }
  return price;
}

TokenPrice mean_price(const Tariff& tariff, const RequestTerms& terms, const HourlyLoad& load) {
  if (tariff.windows.empty()) return price_at(tariff, terms, 0);
  double total = 0;
  for (const double share : load) {
    require_not_negative(share, "the load of an hour");
    total += share;
  }
  require_positive(total, "the load of a day");
  TokenPrice mean = price_at(tariff, terms, 0);
  const bool cached = mean.cached_input >= 0, written = mean.cache_write >= 0;
  mean.input = mean.output = 0;
  mean.cached_input = cached ? 0 : -1;
  mean.cache_write = written ? 0 : -1;
  for (int minute = 0; minute < minutes_per_day; ++minute) {
    const double share = load[static_cast<std::size_t>(minute / 60)] / 60 / total;
    const TokenPrice at = price_at(tariff, terms, minute);
    mean.input += share * at.input;
    mean.output += share * at.output;
    if (cached) mean.cached_input += share * at.cached_input;
    if (written) mean.cache_write += share * at.cache_write;
  }
  return mean;
}

TokenPrice in_usd(const TokenPrice& price, double per_usd) {
  require_positive(per_usd, "the rate of the currency");
  TokenPrice usd = price;
  scale(usd, 1 / per_usd);
  usd.currency = "USD";
  return usd;
}

double pack_price(const TokenPack& pack, double breakage) {
  require_not_negative(pack.price, "the price of the pack");
  require_positive(pack.tokens, "the number of tokens in the pack");
  require_not_negative(breakage, "the share that lapses");
  if (breakage >= 1) throw std::invalid_argument("the share that lapses must be below 1.");
  return pack.price / (pack.tokens * (1 - breakage)) * million;
}

double provisioned_price(const ProvisionedPlan& plan, double utilisation) {
  require_not_negative(plan.per_hour, "the price per hour");
  require_positive(plan.input_tokens_per_second + plan.output_tokens_per_second,
                   "the reserved throughput");
  require_fraction(utilisation, "the utilisation");
  return plan.per_hour /
         ((plan.input_tokens_per_second + plan.output_tokens_per_second) * utilisation *
          seconds_per_hour) *
         million;
}

double seat_bill(const SeatPlan& plan, double tokens, double per_million) {
  require_not_negative(plan.per_month, "the fee");
  require_not_negative(tokens, "the number of tokens");
  require_not_negative(per_million, "the price per million tokens");
  return plan.per_month + (plan.usage_included ? 0 : tokens / million * per_million);
}

double seat_break_even_tokens(double flat_per_month, double fee_per_month, double per_million) {
  require_not_negative(flat_per_month, "the flat fee");
  require_not_negative(fee_per_month, "the fee");
  require_positive(per_million, "the price per million tokens");
  return std::max(0.0, flat_per_month - fee_per_month) / per_million * million;
}

}  // namespace tollgate
