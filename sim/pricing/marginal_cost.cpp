#include "sim/pricing/marginal_cost.h"

#include <algorithm>

#include "sim/pricing/arguments.h"

namespace tollgate {

ResourcePrice resource_price(double usd_per_hour, double flops_per_second,
                             double bytes_per_second) {
  require_not_negative(usd_per_hour, "the price per hour");
  require_positive(flops_per_second, "the peak rate");
  require_positive(bytes_per_second, "the memory bandwidth");
  constexpr double seconds_per_hour = 3600;
  const double usd_per_second = usd_per_hour / seconds_per_hour;
  return {usd_per_second / flops_per_second, usd_per_second / bytes_per_second};
}

MarginalCost marginal_cost(const DecodeWork& work, const ResourcePrice& price) {
  constexpr double million = 1e6;
  MarginalCost cost;
  cost.attention_core = million * std::max(work.attention_flops * price.usd_per_flop,
                                           work.cache_bytes * price.usd_per_byte);
  cost.linear = million * work.linear_flops * price.usd_per_flop;
  cost.ffn = million * work.ffn_flops * price.usd_per_flop;
  return cost;
}

}  // namespace tollgate
