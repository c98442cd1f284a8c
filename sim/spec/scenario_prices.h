#pragma once

#include "sim/spec/scenario.h"

namespace tollgate {

/// Looks up every price that a candidate's pricing and the answers ask for. Throws InputError at
/// the key that asks for what is not there, else at `hardware_place`.
CandidatePrices find_prices(const PricingSpec& pricing, const AnswersSpec& answers,
                            const std::vector<PriceBook>& books, const std::string& hardware,
                            const std::string& model, const Place& hardware_place);

}  // namespace tollgate
