#pragma once

#include "sim/study/candidate_study.h"

namespace tollgate {

/// The scenario's workload as it is, then with each value of answers.inflation by itself: the
/// operating point of `candidate`, whose sizes are fixed (chosen_deployment.h), is found again for
/// every one, so that hits, lengths and turns change throughput too. Fan-out only multiplies calls.
/// `longest` is the longest context of a request.
std::vector<InflationResult> inflate_tasks(const Scenario& scenario, const CandidateSpec& candidate,
                                           const EngineCurves& curves, const RoutingTables& routing,
                                           double longest);

}  // namespace tollgate
