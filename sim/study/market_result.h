#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/pricing/demand.h"
#include "sim/pricing/fleet.h"
#include "sim/pricing/growth.h"
#include "sim/pricing/rent_or_pay.h"
#include "sim/spec/demand_spec.h"
#include "sim/spec/market_spec.h"
#include "sim/study/run_result.h"

namespace tollgate {

/// One mix, and the candidates under it.
struct MixResult {
  std::string name;
  double input_per_output = 0;  ///< prompt tokens per generated one
  double hit_rate = 0;          ///< share of prompt tokens found in the cache
  RunResult run;                ///< without candidates where the scenario has none
};

/// Share of revenue that is left; below 0 at a loss.
struct Margin {
  double value = 0, low = 0, high = 0;  ///< low <= value <= high: at P90 and P10 of the cost
};

/// The margin at both ends of one assumption, all others as they are.
struct Swing {
  std::string assumption;                  ///< "price of the GPU", "utilisation", ...
  std::string low_case, high_case;         ///< what was assumed, in words
  double low_margin = 0, high_margin = 0;  ///< low_margin <= high_margin
  double size() const { return high_margin - low_margin; }
};

/// One offer at one mix.
struct MarketCell {
  double price = 0;    ///< USD per million tokens of the mix, input and output together
  int candidate = -1;  ///< in the mix's run; -1: not simulated
  Estimate cost;       ///< USD per million tokens, the same tokens
  Margin margin;
  double break_even_utilisation = 0;  ///< above 1: no utilisation is enough
  RentOrPay rent;                     ///< one replica rented by the month against buying its tokens
  std::vector<Swing> swings;          ///< largest first
};

struct OfferResult {
  OfferSpec offer;
  std::string not_simulated;      ///< why not; "" where it is
  std::vector<MarketCell> cells;  ///< one per mix
};

/// Two prices side by side, dear over cheap. 0 where either is not stated.
struct PriceRatios {
  PriceComparison comparison;
  double input = 0, cached = 0, output = 0;
  std::vector<double> mixes;
  std::vector<std::string> findings;
};

/// Tokens per month that a bill buys, at every mix.
struct SeatResult {
  SeatChange seat;
  struct Bill {
    double usd = 0;  ///< per month, the seat fee included
    std::vector<double> tokens;
  };
  std::vector<Bill> bills;  ///< the flat fee first: the break-even
};

/// A pack over the same tokens bought one by one.
struct PackRatios {
  PackComparison comparison;
  double usd_per_million = 0;
  std::vector<double> over_offer;  ///< by mix
};

/// A candidate over the reference at one mix.
struct CandidateRatio {
  int candidate = 0;
  double throughput = 0;  ///< generated tokens/s/GPU over that of the reference
  double parameters = 0;  ///< all parameters over those of the reference
  double sequence = 0;    ///< cache and state of a sequence over that of the reference
  double cost = 0;        ///< USD per million tokens over that of the reference
};
struct ComparisonResult {
  int reference = 0;
  std::vector<std::vector<CandidateRatio>> mixes;
  std::vector<std::string> findings;
};

/// A volume with what follows from it.
struct VolumeResult {
  VolumeSpec volume;
  double share = 0;   ///< of what it is part of; 0 = of nothing
  double before = 0;  ///< tokens/s in the period before; 0 = unknown
  bool closed = false;
  std::vector<double> revenue;  ///< USD per week at the offer of its model, by mix; empty without
};
struct FleetRow {
  std::string volume, server;
  bool simulated = false;
  bool power_known = false;
  Fleet fleet;
};
struct UserResult {
  UserSpec user;
  TokenDemand tokens;  ///< per day
};
struct AgentResult {
  AgentDemandSpec agents;
  AgentIntensity intensity;
  std::vector<double> multiples;  ///< at the penetrations asked for, agents besides chatting
  double needed = 0;              ///< penetration for the target; 0 = none asked
};
struct DemandResult {
  std::string mix;
  double pue = 1;
  std::vector<VolumeResult> volumes;
  std::vector<FleetRow> fleets;
  std::vector<UserResult> users;
  std::optional<AgentResult> agents;
  std::vector<std::string> findings;
};

struct GrowthResult {
  GrowthSpec growth;
  std::optional<Growth> by_rate, by_multiple, by_end;
  double per_step = 0;  ///< series: growth per step
  double total = 0;     ///< series: last over first
  std::vector<std::string> findings;
};

struct MarketResult {
  std::string scenario, question, inputs_digest, date;
  std::vector<MixResult> mixes;
  std::vector<OfferResult> offers;
  std::vector<PriceRatios> prices;
  std::vector<SeatResult> seats;
  std::vector<PackRatios> packs;
  std::optional<ComparisonResult> compare;
  std::optional<DemandResult> demand;
  std::vector<GrowthResult> growth;
  std::vector<std::string> findings;  ///< of the margins as a whole
};

}  // namespace tollgate
