#pragma once

#include "sim/spec/price_spec.h"

namespace tollgate {

/// 1 - cost / revenue: the share of revenue that is left. Below 0 at a loss. Needs revenue > 0.
double gross_margin(double revenue, double cost);

/// revenue / cost - 1: what is put on top of the cost. DeepSeek's "545 % profit margin" is this
/// one; its gross margin is 84.5 %. Needs cost > 0.
double markup(double revenue, double cost);

/// Tokens sold. `cached_input` is the part of `input` that was found in the cache.
struct SoldTokens {
  double input = 0;
  double cached_input = 0;
  double output = 0;
};

/// Revenue in USD at API prices. Cached tokens cost the input price where the seller states no
/// cached price. Throws std::invalid_argument for negative counts or more cached tokens than input
/// tokens.
double revenue_usd(const SoldTokens& sold, const TokenPrice& price);

/// Mean price per token, USD per million, of a mix with `input_per_output` prompt tokens per
/// generated one, `hit_rate` of them found in the cache:
/// [r ((1-h) p_in + h p_cached) + p_out] / (r + 1).
double blended_price(const TokenPrice& price, double input_per_output, double hit_rate);

/// The utilisation at which cost and price are equal: cost per million tokens at full use over the
/// price. Above 1: no utilisation is enough. Needs price > 0.
double break_even_utilisation(double cost_at_full_use, double price);

}  // namespace tollgate
