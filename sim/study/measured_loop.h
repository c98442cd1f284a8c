#pragma once

#include "sim/placement/memory_plan.h"
#include "sim/serving/engine/step_table.h"
#include "sim/spec/scenario.h"

namespace tollgate {

/// A benchmark client's closed loop on one replica, simulated event by event.
struct MeasuredLoop {
  const StepTable* table = nullptr;
  const EngineSpec* engine = nullptr;
  const HardwareSpec* hardware = nullptr;
  Deployment ranks;
  DeploymentSpec deployment;  ///< with the engine's defaults
  RequestClass request;       ///< fixed or uniform lengths
  double blocks = 0;          ///< cache blocks of one rank
  std::int64_t users = 1;
};

/// Means over all requests, seconds, by the client's clock.
struct MeasuredTimes {
  double ttft = 0, tpot = 0;
};

/// Requests that a client sends per user: vLLM's and InferenceX's benchmark scripts send ten times
/// the concurrency, the first of every user at once.
inline constexpr int requests_per_user = 10;

/// Cache blocks of a rank under a memory plan made for sequences of `context` tokens.
double cache_blocks(const MemoryPlan& plan, double context, int block_tokens);

/// Every user sends the next request when the last one is answered; a request reaches the engine
/// host_per_request after it was sent. Lengths are drawn by Philox from `seed`. Throws InputError
/// where the engine's scheduler cannot be simulated.
MeasuredTimes simulate_loop(const MeasuredLoop& loop, std::uint64_t seed);

}  // namespace tollgate
