#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/spec/tariff_spec.h"

namespace tollgate {

/// Electricity of the machines.
struct PowerSpec {
  std::string region = "us-industrial";  ///< of PriceBook::power
  double usd_per_kwh = -1;               ///< -1 = of the region
  double kg_co2_per_kwh = -1;            ///< -1 = of the region
  double draw = 0;   ///< watts per accelerator at the meter; 0 = from the hardware's figures
  double pue = 1.3;  ///< for figures that do not hold cooling (InferenceX PowerX)
  Places places = {};
};

/// Terms of a rent beyond its price.
struct RentSpec {
  double interruption = 0;  ///< share of paid hours lost, spot
  double upfront = 0;       ///< share paid at the start
  double years = 1;
  double wacc = 0.1;  ///< per year
  Places places = {};
};

/// Owning instead of renting.
struct OwnershipSpec {
  double capital = 0;  ///< USD per accelerator with its share of the machine; 0 = of the price book
  double years = 4;
  double wacc = 0.1;
  double salvage = 0;
  double availability = 1;
  double colocation = 0;  ///< USD per kW and month
  double staff = 0;       ///< USD/h per accelerator
  double spares = 0;      ///< share of the capital per year
  double licences = 0;    ///< USD/h per accelerator
  Places places = {};
};

/// Why machines serve less on average than they could; a plain number is their product.
struct UtilisationSpec {
  double whole = 1;  ///< given as one number
  double diurnal = 1, headroom = 0, availability = 1;
  std::vector<double> day;  ///< load of 24 hours of UTC; empty or 24
  Places places = {};
};

enum class AllocationChoice {
  phase_time,
  token_ratio,
  output_only,
  total_tokens,
  marginal_resource,
  revenue_weighted,
  same_hours_twice
};

/// The prices tokens are sold at.
struct TariffSpec {
  std::string seller;  ///< of PriceBook::tokens; "" = `list` is given
  std::string model;   ///< "" = the candidate's
  std::string date;    ///< "" = the latest
  std::string speed;   ///< "" = the usual
  bool batch = false;
  bool long_cache = false;
  double written = 0;          ///< share of computed prompt tokens billed as written to the cache
  std::optional<Tariff> list;  ///< the scenario's own price list
  Places places = {};
};

/// Prepaid tokens instead of prices per token.
struct PackSpec {
  std::string seller, name;
  double breakage = 0;  ///< share that lapses unused
  Places places = {};
};

/// Renting machines against paying by the token.
struct RentOrPaySpec {
  std::string level = "on-demand";
  Places places = {};
};

/// A reservation against paying for hours in use.
struct CommitmentSpec {
  std::string reserved = "rent-1yr", on_demand = "on-demand";
  Places places = {};
};

/// Values to try, one at a time, of what makes a task take more tokens.
struct InflationSpec {
  std::vector<double> cache_hit_rate, prompt_compression, reasoning, fan_out, turns;
  double tokens_per_turn = 2242;  ///< vLLM and Mooncake, 610 agent traces: 2,242 added per turn
  Places places = {};
};

/// Further questions a scenario asks.
struct AnswersSpec {
  std::optional<RentOrPaySpec> rent_or_pay;
  std::optional<CommitmentSpec> commitment;
  std::optional<InflationSpec> inflation;
  Places places = {};
};

}  // namespace tollgate
