#pragma once

#include "kernels/backend.h"
#include "sim/study/run_result.h"

namespace tollgate {

/// Answers a scenario: routes the experts of every distinct layer kind, searches the deployment of
/// every candidate where it is left open, and estimates throughput, latency, memory and cost at the
/// operating point. The result depends on the scenario alone, not on the backend or thread count.
RunResult run_scenario(const Scenario& scenario, const kernels::RoutingBackend& backend);

}  // namespace tollgate
