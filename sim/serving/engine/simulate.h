#pragma once

#include <optional>
#include <vector>

#include "sim/serving/engine/recording.h"
#include "sim/serving/engine/scheduler_config.h"
#include "sim/serving/engine/step_timer.h"

namespace tollgate {

/// Engines of one kind.
struct EnginePool {
  SchedulerConfig scheduler;
  const StepTimer* timer = nullptr;
  int replicas = 1;
};

/// How a router picks the replica for a request.
enum class Router {
  round_robin,   ///< in turn
  least_loaded,  ///< smallest 4 x waiting + running (vLLM's load balancer), the first of equals
  prefix_aware,  ///< the replica that last had the stream, unless it is more than twice as loaded
                 ///< as the least loaded one and by more than 16; else least loaded
};

/// What the cache of a prompt is sent over. Each rank of an engine has links of its own and sends
/// and receives one prompt at a time: vLLM's in the order in which the receiver gave room, SGLang's
/// in that in which the prompts were computed, for there the receiver has given room before.
struct TransferLink {
  Ticks latency = 0;    ///< per prompt
  Ticks per_token = 0;  ///< cache bytes of a token over the bandwidth
};

/// Users who each send the next request of the table when their last one is answered. Where
/// requests wait for others, a user goes through a session: all requests that hang together by
/// waiting. Those of them that wait for nobody are sent at once, the others as the table says, and
/// the user begins the next session when all are answered.
struct ClosedLoop {
  std::int64_t users = 1;
  Ticks think_time = 0;
  /// Reading and tokenising a session, one session after the other.
  Ticks reading = 0;
  /// Added before a session reaches the engine (whatever else is between client and engine), in the
  /// order in which sessions begin, over and over; empty: nothing.
  std::vector<Ticks> ingest = {};
};

struct ServingSystem {
  EnginePool engines;                ///< with `decode`: the prefill pool
  std::optional<EnginePool> decode;  ///< prefill/decode disaggregation
  TransferLink link;
  Router router = Router::round_robin;
  std::optional<ClosedLoop> closed_loop;  ///< instead of the arrivals in the table
};

/// Runs all requests to their end. Replicas that do not depend on each other (round robin, no
/// disaggregation, no closed loop, no request that waits for another) run in parallel; the result
/// is the same for any number of threads.
///
/// Throws InputError for a system or a request that cannot be served, and std::logic_error if the
/// simulation comes to a halt with requests left, which is an error of the simulator.
/// `recording`, where given, is filled with what it asks for.
Outcome simulate(const ServingSystem& system, const RequestTable& requests,
                 Recording* recording = nullptr);

}  // namespace tollgate
