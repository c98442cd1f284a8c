#include "sim/study/operating_point.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace tollgate {
namespace {

bool keeps(const SteadyState& state, const SloSpec& slo) {
  return (slo.tpot == 0 || state.tpot <= slo.tpot) && (slo.ttft == 0 || state.ttft <= slo.ttft);
}

/// The largest whole number in [1, most] for which `good` holds, given that it holds up to some
/// number and not beyond; 0 when it does not hold for 1.
template <class Good>
double largest(double most, const Good& good) {
  if (!good(1.0)) return 0;
  if (good(most)) return most;
  double low = 1, high = most;
  while (high - low > 1) {
    const double middle = std::floor((low + high) / 2);
    (good(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace

std::string bound_of_batch(const MemoryPlan& memory) {
  if (memory.largest_batch < std::min(memory.memory_batch, memory.scheduler_batch)) {
    return "max_batch";
  }
  return memory.scheduler_batch < memory.memory_batch ? "max_num_seqs" : "kv memory";
}

OperatingPoint find_operating_point(const StepModel& model, const MemoryPlan& memory,
                                    const WorkloadMix& mix, const SchedulerLimits& limits,
                                    const LoadSpec& load, const SloSpec& slo, double time_scale) {
  ReplicaModel replica;
  replica.solve = [&](double in_flight) {
    return solve_steady_state(model, mix, limits, in_flight, time_scale);
  };
  replica.room = std::max(1.0, memory.largest_batch);
  replica.full = bound_of_batch(memory);
  return find_operating_point(replica, load, slo);
}

OperatingPoint find_operating_point(const ReplicaModel& replica, const LoadSpec& load,
                                    const SloSpec& slo) {
  const auto& solve = replica.solve;
  const double room = replica.room;
  OperatingPoint point;
  if (load.kind == LoadKind::concurrency) {
    point.state = solve(std::min(load.concurrency, room));
    // Requests that there is no room for wait outside: Little's law for the longer line.
    const double waiting = std::max(0.0, load.concurrency - room) / point.state.requests_per_second;
    point.state.ttft += waiting;
    point.state.end_to_end += waiting;
    point.meets_slo = keeps(point.state, slo);
    point.limited_by = load.concurrency > room ? replica.full : "load";
    return point;
  }

  const double best = largest(room, [&](double n) { return keeps(solve(n), slo); });
  point.state = solve(std::max(1.0, best));
  point.meets_slo = best >= 1;
  if (best < room) {
    const SteadyState next = solve(std::max(1.0, best + 1));
    point.limited_by = slo.tpot > 0 && next.tpot > slo.tpot ? "tpot" : "ttft";
  } else {
    point.limited_by = replica.full;
  }
  if (load.kind == LoadKind::rate) {
    const double replicas = std::ceil(load.rate / point.state.requests_per_second - 1e-9);
    point.replicas = static_cast<int>(std::clamp(replicas, 1.0, 2e9));
    const double wanted = load.rate / point.replicas;
    const double short_of = largest(
        point.state.in_flight, [&](double n) { return solve(n).requests_per_second < wanted; });
    point.state = solve(std::min(short_of + 1, point.state.in_flight));
    // Between whole numbers in flight the rate decides: Little's law.
    const double share = std::min(1.0, wanted / point.state.requests_per_second);
    point.state.requests_per_second *= share;
    point.state.in_flight *= share;
    point.state.decoding *= share;
    point.state.resident *= share;
    if (point.meets_slo) point.limited_by = "load";
  }
  return point;
}

}  // namespace tollgate
