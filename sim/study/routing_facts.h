#pragma once

#include "sim/placement/sharding.h"
#include "sim/study/run_result.h"
#include "sim/timing/operator_set.h"

namespace tollgate {

/// What one phase's steps do to the ranks of an expert layer at an operating point: distributions
/// over layers and steps of the busiest rank and its link. `tokens` are routed together in one step
/// over all ranks; beyond the routed window, bytes grow in proportion.
PhaseRouting decode_routing(const CandidateSpec& candidate, const FfnSpec& ffn,
                            const PrecisionMap& precision, const Deployment& deployment,
                            const FfnRouting& routing, double tokens);
PhaseRouting prefill_routing(const CandidateSpec& candidate, const FfnSpec& ffn,
                             const PrecisionMap& precision, const Deployment& deployment,
                             const FfnRouting& routing, double tokens);

/// The same tables as they are at the median or the 95th percentile of steps.
RoutingTables of_step(const RoutingTables& tables, RoutingTable::Step step);

}  // namespace tollgate
