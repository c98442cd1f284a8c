#pragma once

#include <memory>

#include "kernels/backend.h"
#include "sim/operators/curve_files.h"
#include "sim/spec/library.h"
#include "sim/study/run_result.h"

namespace tollgate {

/// Answers a scenario: routes the experts of every distinct layer kind, searches the deployment of
/// every candidate where it is left open, and estimates throughput, latency, memory and cost at the
/// operating point. Operator curves are read from `library`; with `strict` one that is not measured
/// for this device, engine and number format is an InputError. The result depends on the scenario
/// and the library alone, not on the backend or thread count. `files` are curve files already read
/// from the library, for several runs one after the other.
RunResult run_scenario(const Scenario& scenario, Library& library,
                       const kernels::RoutingBackend& backend, bool strict = false,
                       std::shared_ptr<CurveFiles> files = nullptr);

}  // namespace tollgate
