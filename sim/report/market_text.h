#pragma once

#include <string>

#include "sim/report/report.h"
#include "sim/study/market_result.h"

namespace tollgate {

/// For a reader at a terminal: a table of margins per mix, what moves them, prices side by side,
/// fleets and growth, each with the sentences that follow from it.
std::string market_text(const MarketResult& result, const RenderOptions& options);

}  // namespace tollgate
