#pragma once

#include "sim/study/market_result.h"

namespace tollgate {

/// Prices of an offer in USD, a mean over the day, of requests with that many prompt tokens (0: the
/// first tier).
TokenPrice price_of(const OfferSpec& offer, double prompt_tokens);

/// USD per million tokens of the mix, prompt, cached and generated tokens alike.
double blended(const OfferSpec& offer, const MixResult& mix);

/// Ratios of two prices by class and by mix, and whether what is claimed of them fits.
PriceRatios study_prices(const PriceComparison& comparison, const std::vector<MixResult>& mixes);

/// Tokens per month at which a seat with usage on top costs as much as the flat fee, and those of
/// the multiples asked for.
SeatResult study_seat(const SeatChange& seat, const std::vector<MixResult>& mixes);

/// What the pack costs over the offer, at every mix.
PackRatios study_pack(const PackComparison& pack, const std::vector<MixResult>& mixes);

}  // namespace tollgate
