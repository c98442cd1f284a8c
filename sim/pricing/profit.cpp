#include "sim/pricing/profit.h"

#include <stdexcept>

#include "sim/pricing/arguments.h"

namespace tollgate {
namespace {

double cached_price(const TokenPrice& price) {
  return price.cached_input >= 0 ? price.cached_input : price.input;
}

void require_prices(const TokenPrice& price) {
  require_not_negative(price.input, "the input price");
  require_not_negative(cached_price(price), "the cached input price");
  require_not_negative(price.output, "the output price");
}

}  // namespace

double gross_margin(double revenue, double cost) {
  require_positive(revenue, "the revenue");
  require_not_negative(cost, "the cost");
  return 1 - cost / revenue;
}

double markup(double revenue, double cost) {
  require_not_negative(revenue, "the revenue");
  require_positive(cost, "the cost");
  return revenue / cost - 1;
}

double revenue_usd(const SoldTokens& sold, const TokenPrice& price) {
  require_prices(price);
  require_not_negative(sold.input, "the number of input tokens");
  require_not_negative(sold.cached_input, "the number of cached tokens");
  require_not_negative(sold.output, "the number of output tokens");
  if (sold.cached_input > sold.input) {
    throw std::invalid_argument("there are more cached tokens than input tokens.");
  }
  constexpr double million = 1e6;
  return ((sold.input - sold.cached_input) * price.input + sold.cached_input * cached_price(price) +
          sold.output * price.output) /
         million;
}

double blended_price(const TokenPrice& price, double input_per_output, double hit_rate) {
  require_prices(price);
  require_not_negative(input_per_output, "the ratio of input to output");
  require_not_negative(hit_rate, "the hit rate");
  if (hit_rate > 1) throw std::invalid_argument("the hit rate is above 1.");
  const double input = (1 - hit_rate) * price.input + hit_rate * cached_price(price);
  return (input_per_output * input + price.output) / (input_per_output + 1);
}

double break_even_utilisation(double cost_at_full_use, double price) {
  require_not_negative(cost_at_full_use, "the cost");
  require_positive(price, "the price");
  return cost_at_full_use / price;
}

}  // namespace tollgate
