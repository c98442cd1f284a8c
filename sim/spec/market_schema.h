#pragma once

#include <string>
#include <vector>

#include "sim/spec/demand_spec.h"
#include "sim/spec/library.h"
#include "sim/spec/market_spec.h"
#include "sim/spec/schema.h"

namespace tollgate {

/// A mix as written, its traffic not yet looked up.
struct MixText {
  std::string name;
  YamlPtr workload;
  std::optional<double> hit_rate_low, hit_rate_high;
  Places places;
};

/// Field tables of what a market scenario asks.
const Schema<MixText>& mix_schema();
const Schema<MarketSpec>& market_schema();
const Schema<ComparisonSpec>& comparison_schema();
const Schema<DemandSpec>& demand_schema();
const Schema<GrowthSpec>& growth_schema();

/// Looks up every price of the market: of its offers, comparisons and seats, and of the
/// accelerators `hardware` at its price levels. Throws InputError for an unknown model or seller, a
/// model without a price, and a date before the first price.
void find_market_prices(MarketSpec& market, const std::vector<std::string>& hardware,
                        const std::vector<PriceBook>& books, Library& library);

/// Names that refer to one another: claims to candidates and mixes, parts to volumes, models of
/// volumes to the library.
void check_market_names(const MarketSpec& market, const std::vector<MixSpec>& mixes);
void check_comparison_names(const ComparisonSpec& comparison,
                            const std::vector<std::string>& candidates,
                            const std::vector<MixSpec>& mixes);
void check_demand_names(const DemandSpec& demand, const std::vector<MixSpec>& mixes,
                        Library& library);

}  // namespace tollgate
