#pragma once

#include "sim/serving/workload_mix.h"
#include "sim/spec/scenario.h"
#include "sim/timing/step_model.h"

namespace tollgate {

/// A replica under a constant number of requests in flight (closed loop): means in steady state.
struct SteadyState {
  double in_flight = 0;            ///< requests per replica
  double decoding = 0;             ///< of these, decoding
  double resident = 0;             ///< of these, holding cache: decoding or in a prefill step
  double requests_per_second = 0;  ///< per replica
  double ttft = 0;                 ///< seconds, mean
  double tpot = 0;                 ///< seconds per token after the first, mean
  double end_to_end = 0;           ///< seconds, mean
  double chunk = 0;                ///< prompt tokens in such a step (one pipeline micro-batch)
  double step = 0;                 ///< seconds per step, mean
  StepLoad decode_load;            ///< a step without prompt tokens
  StepLoad mixed_load;             ///< a step with prompt tokens

  // Two pools only (two_pools.h); `step` and `decode_load` are then of a decode engine, `chunk` and
  // `mixed_load` of a prefill engine.
  double sending = 0;       ///< seconds of the TTFT for the links and the transfer, mean
  double prefill_busy = 0;  ///< share of time in which a prefill engine computes
  double pinned = 0;        ///< requests whose cache a prefill engine holds
};

/// What decides the order of an engine's work; the defaults are vLLM's.
struct SchedulerLimits {
  SchedulingPolicy policy = SchedulingPolicy::running_first;
  bool async = true;             ///< schedules one step ahead: who arrives waits that step too
  double batched_tokens = 8192;  ///< token budget of one step of one data-parallel group
  double host_per_request = 0;   ///< seconds from arrival to the first step that can take it
  double acceptance_length = 1;  ///< tokens emitted per sequence and step
};

/// Those of an engine in a deployment, with the engine's defaults already in it.
SchedulerLimits scheduler_limits(const EngineSpec& engine, const DeploymentSpec& deployment,
                                 const WorkloadMix& mix);

/// Steady state of continuous batching with chunked prefill at `in_flight` requests, lengths at
/// their means, arrivals replacing completions. `time_scale` multiplies every step time (for error
/// bands).
///
/// A request passes ingest, the rest of the step under way, a queue if prompts outrun the token
/// budget, its own prefill steps, and decoding; the number in flight is throughput times the sum
/// (Little's law), which is solved for the throughput. All prompts that fit the budget share a
/// step; the queue is M/G/1 with the population's own share taken out (Schweitzer's approximation
/// of mean value analysis). Groups of data-parallel attention step together, so a step takes as
/// long as its fullest group. See docs/method.md, "Steady state".
SteadyState solve_steady_state(const StepModel& model, const WorkloadMix& mix,
                               const SchedulerLimits& limits, double in_flight,
                               double time_scale = 1);

}  // namespace tollgate
