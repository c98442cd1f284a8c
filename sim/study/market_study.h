#pragma once

#include "kernels/backend.h"
#include "sim/spec/library.h"
#include "sim/study/market_result.h"

namespace tollgate {

/// Answers a scenario that asks_market(): runs the candidates at every mix, holds their cost
/// against the offers, varies every main assumption on its own, and works out comparisons, demand
/// and growth. As run_scenario, the result depends on the scenario and the library alone.
MarketResult run_market(const Scenario& scenario, Library& library,
                        const kernels::RoutingBackend& backend, bool strict = false);

}  // namespace tollgate
