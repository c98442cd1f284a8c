#pragma once

#include <vector>

#include "sim/serving/engine/simulate.h"
#include "sim/spec/workload_spec.h"

namespace tollgate {

/// A benchmark client's closed loop, simulated event by event.
struct MeasuredLoop {
  ServingSystem system;  ///< without its closed loop
  RequestClass request;  ///< fixed or uniform lengths
  std::int64_t users = 1;
  std::int64_t requests = 0;  ///< in all; 0 = requests_per_user for every user
  /// So many prompts are sent again and again, each time in another order, as aiperf does; a prefix
  /// cache finds them. 0 = every prompt is new.
  std::int64_t distinct_prompts = 0;
  double reading = 0;  ///< seconds to read and tokenise a request, one after the other
  double ingest = 0;   ///< mean of the other seconds from sending a request to the engine's queue
};

/// Means over all requests and the whole run, seconds, by the client's clock.
struct MeasuredTimes {
  double ttft = 0, tpot = 0;
  double duration = 0;       ///< from sending the first request to the last token
  double output_tokens = 0;  ///< of all requests
};

/// Requests that a client sends per user unless a recipe says otherwise: vLLM's and InferenceX's
/// benchmark scripts send ten times the concurrency, the first of every user at once.
inline constexpr int requests_per_user = 10;

/// `count` waits of an exponential distribution of that mean, seconds, by Philox from `seed`. Times
/// from a client's sending to the queue of vLLM 0.19 have a coefficient of variation of 0.8 to 1.4
/// and the quantiles of an exponential one (four runs published with LLMServingSim 5daddb21).
std::vector<Ticks> ingest_times(double mean, std::size_t count, std::uint64_t seed);

/// Every user sends the next request when the last one is answered; a request reaches the engine
/// `ingest` later. Lengths are drawn by Philox from `seed`. Throws InputError where the system
/// cannot be simulated.
MeasuredTimes simulate_loop(const MeasuredLoop& loop, std::uint64_t seed);

}  // namespace tollgate
