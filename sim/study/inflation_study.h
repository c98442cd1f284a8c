#pragma once

#include "sim/study/candidate_study.h"

namespace tollgate {

/// The scenario's workload as it is, then with each value of answers.inflation by itself: the
/// chosen deployment's operating point is found again for every one, so that hits, lengths and
/// turns change throughput too. Fan-out only multiplies calls. `longest` is the longest context of
/// a request.
std::vector<InflationResult> inflate_tasks(const Scenario& scenario, const CandidateSpec& candidate,
                                           const EngineCurves& curves, const Deployment& deployment,
                                           const RoutingTables& routing, double longest);

}  // namespace tollgate
