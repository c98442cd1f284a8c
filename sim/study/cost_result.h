#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/pricing/allocation.h"
#include "sim/pricing/cost_stack.h"
#include "sim/pricing/energy.h"
#include "sim/pricing/rent_or_pay.h"
#include "sim/pricing/sales.h"

namespace tollgate {

/// One class of tokens: what it costs under the allocation rule, and what it is sold for.
struct ClassCost {
  std::string name;             ///< input, cached input, cache write or output
  double tokens = 0;            ///< of a mean request
  Estimate gpu_hours;           ///< per million
  Estimate usd;                 ///< per million
  std::optional<double> price;  ///< USD per million, where a tariff is named
  std::optional<ClassMargin> margin;
};

/// Selling the candidate's tokens at a tariff.
struct SalesResult {
  TokenPrice price;                 ///< USD, mean over the day's load
  std::string currency;             ///< of the tariff, with the rate: "CNY at 7.1 per USD (2025)"
  double per_usd = 1;               ///< units of the tariff's currency for a dollar
  double price_per_million = 0;     ///< blended over the request's tokens
  Estimate gross_margin;            ///< 1 - cost / revenue; may be negative
  Estimate markup;                  ///< revenue / cost - 1; may be negative
  Estimate break_even_utilisation;  ///< above 1: no use is enough
  Estimate revenue_per_gpu_hour, profit_per_gpu_hour;  ///< USD
  Estimate revenue_per_mw_hour, profit_per_mw_hour;    ///< USD
};

/// Prepaid tokens against the cost and the tariff.
struct PackResult {
  TokenPack pack;
  double per_usd = 1;  ///< units of the pack's currency for a dollar
  double breakage = 0;
  double usd_per_million = 0;  ///< of tokens used
};

struct CommitmentResult {
  GpuPrice reserved, on_demand;
  double break_even_use = 0;  ///< share of hours in use; above 1: never
};

struct RentOrPayResult {
  GpuPrice rent;
  int gpus = 0;  ///< of one replica
  RentOrPay crossing;
};

/// A task under one change of its tokens.
struct InflationResult {
  std::string knob;  ///< "as it is", cache_hit_rate, prompt_compression, ...
  double value = 0;
  double calls = 1;                          ///< of a task
  double input = 0, cached = 0, output = 0;  ///< tokens of a task; cached are part of input
  bool runs = true;                          ///< false: it does not fit or miss the target
  Estimate gpu_hours_per_million;            ///< of all tokens
  Estimate usd_per_task;                     ///< cost
  std::optional<double> price_per_task;      ///< USD, where a tariff is named
};

/// Everything about money beyond the two prices of CandidateResult.
struct CostResult {
  CostStack stack;         ///< per accelerator and hour
  double utilisation = 1;  ///< mean over peak
  Allocation rule = Allocation::phase_time;
  std::vector<ClassCost> classes;
  Estimate gpu_hours_per_million;  ///< all tokens
  TokenEnergy energy;              ///< per million output tokens
  std::string energy_from;         ///< of power and carbon
  bool carbon_known = false;
  std::optional<SalesResult> sales;
  std::optional<PackResult> pack;
  std::optional<RentOrPayResult> rent_or_pay;
  std::optional<CommitmentResult> commitment;
  std::vector<InflationResult> inflation;
};

}  // namespace tollgate
