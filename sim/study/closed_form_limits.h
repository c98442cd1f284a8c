#pragma once

#include <string>

#include "sim/placement/sharding.h"
#include "sim/serving/steady_state.h"
#include "sim/serving/workload_mix.h"
#include "sim/spec/scenario.h"

namespace tollgate {

/// How far throughput and TPOT of the closed form may be from those of the simulation of single
/// requests at the same load, or where a target chooses the load.
struct ClosedFormCaveat {
  double within = 0.05;  ///< relative; 0: no promise
  std::string sentence;  ///< why it is more than 5 %; "" where it is not
};

/// Held by tests/study/fidelity_test.cpp over closed loops of three engines. `state` is what the
/// closed form finds.
ClosedFormCaveat closed_form_caveat(const Scenario& scenario, const CandidateSpec& candidate,
                                    const Deployment& deployment, const WorkloadMix& mix,
                                    const SteadyState& state);

/// The same of a replica of two pools (tests/study/two_pools_test.cpp). `filled` is the share of
/// the decode engines' room that is taken.
ClosedFormCaveat two_pools_caveat(const Scenario& scenario, const CandidateSpec& candidate,
                                  const Deployment& prefill, const Deployment& decode,
                                  const WorkloadMix& mix, double filled, double ttft);

}  // namespace tollgate
