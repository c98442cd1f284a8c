#pragma once

#include <string>

#include "sim/study/market_result.h"

namespace tollgate {

/// Every number of a market scenario, with its band: one JSON document.
std::string market_json(const MarketResult& result);

/// One row per number: section, item, column, value, P10, P90, unit.
std::string market_csv(const MarketResult& result);

}  // namespace tollgate
