#pragma once

#include "sim/study/load_simulator.h"
#include "sim/study/operating_point.h"
#include "sim/study/simulated_result.h"

namespace tollgate {

struct SimulatedPoint {
  OperatingPoint point;  ///< the closed form's, with throughput, latencies and limit replaced
  SimulatedResult result;
};

/// The operating point of find_operating_point found again by simulation, starting from the closed
/// form's. saturate: the largest number of users in a closed loop whose mean TTFT and TPOT keep the
/// target over all draws, to 1 %, at most `largest_batch`. concurrency: that many users. rate and
/// trace: the fewest replicas that keep the target and are not overloaded.
///
/// The seconds that a request takes to reach the scheduler belong to TTFT. Throughput is that of
/// tokens, in requests of the mix's mean answer. Throws InputError where a request can never be
/// served.
SimulatedPoint find_simulated_point(const SimulatedReplica& replica,
                                    const SimulationQuestion& question, const OperatingPoint& start,
                                    double largest_batch);

}  // namespace tollgate
