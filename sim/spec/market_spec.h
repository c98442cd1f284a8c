#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/spec/price_spec.h"
#include "sim/spec/workload_spec.h"

namespace tollgate {

/// One kind of traffic that the candidates are tried with.
struct MixSpec {
  std::string name;
  std::vector<RequestClass> workload;
  std::optional<double> hit_rate_low, hit_rate_high;  ///< what the prefix hit rate may be instead
  Places places;
};

/// A model as somebody sells it.
struct OfferSpec {
  std::string model;    ///< name of a models/llm entry
  std::string seller;   ///< as in models/prices
  std::string date;     ///< its price is the latest one not after; "" = the market's date
  Tariff tariff;        ///< resolved
  double per_usd = 1;   ///< units of the tariff's currency for one US dollar
  bool closed = false;  ///< no architecture is published: priced, not simulated
  Places places;
};

/// Something said of two prices: `of` ("input", "cached", "output" or a mix) is `times` as dear.
struct PriceClaim {
  std::string of;
  double times = 1;
  Places places;
};

/// Two prices side by side.
struct PriceComparison {
  std::string name;
  OfferSpec dear, cheap;
  std::vector<PriceClaim> claims;
  Places places;
};

/// A seat with a flat fee against a seat with usage on top.
struct SeatChange {
  std::string plan;               ///< name in models/prices, of the seller of `usage`
  OfferSpec usage;                ///< what usage is billed at
  double flat_fee = 0;            ///< resolved: USD per person and month, all included
  double seat_fee = 0;            ///< resolved: USD per person and month, usage on top
  std::vector<double> multiples;  ///< bills of so many times the flat fee are looked at too
  Places places;
};

/// Prepaid tokens against the tokens of an offer.
struct PackComparison {
  std::string seller, name;
  OfferSpec against;
  TokenPack pack;      ///< resolved
  double per_usd = 1;  ///< units of its currency for one US dollar
  Places places;
};

/// A deployment in another storage format, as an assumption to vary.
struct PrecisionChange {
  std::optional<Precision> weights, kv_cache;
  Places places;
};

/// Offers against simulated cost.
struct MarketSpec {
  std::string date;  ///< ISO date, month or year of the prices; "" = the latest
  std::vector<OfferSpec> offers;
  std::vector<PriceComparison> comparisons;
  std::vector<SeatChange> seats;
  std::vector<PackComparison> packs;
  std::vector<std::string> price_levels;  ///< of accelerators, as an assumption to vary
  std::vector<GpuPrice> gpu_prices;       ///< resolved: those levels of the candidates' hardware
  std::optional<double> utilisation_low, utilisation_high;
  std::vector<PrecisionChange> precisions;
  Places places;
};

/// What a candidate is said to be, relative to the reference.
struct RatioClaim {
  std::string candidate, mix;
  enum class Of { throughput, parameters } of = Of::throughput;
  double times = 1;
  Places places;
};

/// Candidates relative to one of them, over all mixes.
struct ComparisonSpec {
  std::string reference;  ///< name of a candidate
  std::vector<RatioClaim> claims;
  Places places;
};

}  // namespace tollgate
