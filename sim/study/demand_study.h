#pragma once

#include "sim/study/market_result.h"

namespace tollgate {

/// Volumes with their shares, what they bring in at the offers and what fleets serve them; users
/// and agents. `mixes` and `offers` as already worked out.
DemandResult study_demand(const Scenario& scenario, const std::vector<MixResult>& mixes,
                          const std::vector<OfferResult>& offers);

}  // namespace tollgate
