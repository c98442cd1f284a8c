#pragma once

#include <string>
#include <vector>

#include "sim/placement/cache_transfer.h"
#include "sim/placement/sharding.h"
#include "sim/serving/workload_mix.h"
#include "sim/spec/scenario.h"
#include "sim/timing/step_model.h"

namespace tollgate {

/// Sentences that say what a candidate's numbers rest on: fitted, extrapolated and assumed operator
/// curves with their sources, popularity, cut lengths, and what is taken rather than simulated.
std::vector<std::string> assumptions_of(const CandidateSpec& candidate,
                                        const PrecisionMap& precision, const Deployment& deployment,
                                        const WorkloadMix& mix, const StepModel& step,
                                        Fidelity fidelity);

/// What sending caches from pool to pool rests on.
std::vector<std::string> assumptions_of_transfer(const CandidateSpec& candidate,
                                                 const CacheTransfer& transfer);

}  // namespace tollgate
