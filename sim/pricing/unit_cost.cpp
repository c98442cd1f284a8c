#include "sim/pricing/unit_cost.h"

#include "sim/pricing/arguments.h"

namespace tollgate {
namespace {

constexpr double million = 1e6;
constexpr double seconds_per_hour = 3600;

}  // namespace

Estimate gpu_hours_per_million(const Estimate& tokens_per_second, double gpus, double utilisation) {
  require_positive(tokens_per_second, "the throughput");
  require_positive(gpus, "the number of accelerators");
  require_fraction(utilisation, "the utilisation");
  return inverse(gpus * million / seconds_per_hour / utilisation, tokens_per_second);
}

UnitCost unit_cost(const Delivery& delivery, double usd_per_gpu_hour) {
  require_not_negative(usd_per_gpu_hour, "the price per GPU-hour");
  require_not_negative(delivery.input_tokens_per_second.low, "the input throughput");
  const Estimate total = sum(delivery.input_tokens_per_second, delivery.output_tokens_per_second);
  UnitCost cost;
  cost.gpu_hours_per_million_output =
      gpu_hours_per_million(delivery.output_tokens_per_second, delivery.gpus, delivery.utilisation);
  cost.gpu_hours_per_million_total =
      gpu_hours_per_million(total, delivery.gpus, delivery.utilisation);
  cost.usd_per_million_output = scaled(cost.gpu_hours_per_million_output, usd_per_gpu_hour);
  cost.usd_per_million_total = scaled(cost.gpu_hours_per_million_total, usd_per_gpu_hour);
  return cost;
}

double bearable_usd_per_gpu_hour(double usd_per_million, double tokens_per_second, double gpus,
                                 double utilisation) {
  require_not_negative(usd_per_million, "the price per million tokens");
  require_positive(tokens_per_second, "the throughput");
  require_positive(gpus, "the number of accelerators");
  require_fraction(utilisation, "the utilisation");
  return usd_per_million * tokens_per_second * utilisation * seconds_per_hour / million / gpus;
}

}  // namespace tollgate
