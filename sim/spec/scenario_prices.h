#pragma once

#include "sim/spec/scenario.h"

namespace tollgate {

/// Looks up every price that a candidate's pricing and the answers ask for. Throws InputError at
/// the key that asks for what is not there, else at `hardware_place`.
CandidatePrices find_prices(const PricingSpec& pricing, const AnswersSpec& answers,
                            const std::vector<PriceBook>& books, const std::string& hardware,
                            const std::string& model, const Place& hardware_place);

/// Throws InputError when prices per class of tokens are asked for but a class of requests does not
/// say how many of its prompt tokens are cached: unknown is not zero.
void require_hit_rates(const PricingSpec& pricing, const AnswersSpec& answers,
                       const std::vector<RequestClass>& workload);

/// Every class of the workload states its hit rate.
bool hit_rates_known(const std::vector<RequestClass>& workload);

}  // namespace tollgate
