#pragma once

#include "sim/study/market_result.h"

namespace tollgate {

/// Ratios of two prices by class and by mix, and whether what is claimed of them fits.
PriceRatios study_prices(const PriceComparison& comparison, const std::vector<MixResult>& mixes);

/// Tokens per month at which a seat with usage on top costs as much as the flat fee, and those of
/// the multiples asked for.
SeatResult study_seat(const SeatChange& seat, const std::vector<MixResult>& mixes);

}  // namespace tollgate
