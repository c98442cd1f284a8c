#pragma once

#include "sim/base/estimate.h"

namespace tollgate {

/// What a deployment delivers and occupies while it runs at its operating point.
struct Delivery {
  Estimate input_tokens_per_second;   ///< prompt tokens, cached ones included; value 0 = none
  Estimate output_tokens_per_second;  ///< generated tokens, > 0
  double gpus = 0;                    ///< accelerators that are paid for, > 0
  /// Time-average throughput over the throughput above, 0 < u <= 1: nights, headroom, failures.
  double utilisation = 1;
};

/// The bill per million tokens, in time and in money.
struct UnitCost {
  Estimate gpu_hours_per_million_output;  ///< whole bill over generated tokens
  Estimate gpu_hours_per_million_total;   ///< whole bill over input and output tokens (blended)
  Estimate usd_per_million_output;
  Estimate usd_per_million_total;
};

/// GPU-hours per million tokens = gpus x 1e6 / 3600 / (tokens/s x utilisation). The band turns
/// around: the fastest case is the cheapest. Throws std::invalid_argument unless every argument is
/// finite and positive and the utilisation at most 1.
Estimate gpu_hours_per_million(const Estimate& tokens_per_second, double gpus, double utilisation);

/// Both allocations of the same bill at `usd_per_gpu_hour` >= 0. Input and output rates move
/// together (both come from one step time), so their bands add. Errors as gpu_hours_per_million.
UnitCost unit_cost(const Delivery& delivery, double usd_per_gpu_hour);

/// USD per million tokens -> the price per GPU-hour that this throughput bears.
double bearable_usd_per_gpu_hour(double usd_per_million, double tokens_per_second, double gpus,
                                 double utilisation);

}  // namespace tollgate
