#pragma once

#include <functional>
#include <string>

#include "sim/placement/memory_plan.h"
#include "sim/serving/steady_state.h"

namespace tollgate {

/// Where a replica runs under the scenario's load and latency target.
struct OperatingPoint {
  bool meets_slo = false;
  SteadyState state;
  int replicas = 1;
  std::string limited_by;  ///< what forbids a larger batch: "tpot", "ttft", "kv memory",
                           ///< "max_batch", "max_num_seqs" or "load"
};

/// A replica as a number of requests in flight finds it.
struct ReplicaModel {
  std::function<SteadyState(double in_flight)> solve;
  double room = 1;   ///< requests in flight that there is room for
  std::string full;  ///< what forbids more: "kv memory", "max_batch" or "max_num_seqs"
};

/// What `largest_batch` of a plan is bounded by, as in `OperatingPoint::limited_by`.
std::string bound_of_batch(const MemoryPlan& memory);

/// saturate: the largest number in flight that memory holds and both targets allow (both latencies
/// rise with it, so it is found by bisection); when even one request misses a target, the point of
/// one request with meets_slo false. concurrency: that number, or what memory and scheduler allow.
/// rate: the fewest replicas whose saturated throughput covers the rate, each at its share of it.
OperatingPoint find_operating_point(const ReplicaModel& replica, const LoadSpec& load,
                                    const SloSpec& slo);

/// The same of one engine that computes prompts and answers.
OperatingPoint find_operating_point(const StepModel& model, const MemoryPlan& memory,
                                    const WorkloadMix& mix, const SchedulerLimits& limits,
                                    const LoadSpec& load, const SloSpec& slo,
                                    double time_scale = 1);

}  // namespace tollgate
