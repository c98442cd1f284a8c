#pragma once

#include <cstdint>
#include <vector>

#include "sim/serving/engine/clock.h"
#include "sim/serving/engine/step_timer.h"

namespace tollgate {

/// Load of a replica at a moment: the state after everything that happens up to and at it.
struct LoadSample {
  Ticks at = 0;
  std::int64_t running = 0;  ///< sequences with a place among the running
  std::int64_t waiting = 0;  ///< for admission, for cache that is sent, or to resume
  std::int64_t blocks = 0;   ///< cache blocks held, without those that are merely cached
  // Of the steps that ended since the sample before:
  std::int64_t prompt_tokens = 0;  ///< computed
  std::int64_t tokens = 0;         ///< emitted; with drafts the mean, beyond an answer's end too
};

/// Something that happened to a request in a step.
struct StepEvent {
  enum class Kind : std::uint8_t { admitted, preempted, finished };
  Kind kind;
  std::int32_t rank;
  std::int32_t request;
  auto operator<=>(const StepEvent&) const = default;
};

/// One engine step: what it computed and the state when it was decided.
struct StepRecord {
  Ticks start = 0, duration = 0;
  std::vector<RankBatch> ranks;
  std::int64_t running = 0, waiting = 0, blocks = 0;  ///< as in LoadSample, with this step's share
  std::vector<StepEvent> events;  ///< admitted and preempted for it, finished at its end
};

struct ReplicaRecord {
  bool decode_pool = false;  ///< of the decode pool of a disaggregated system
  int replica = 0;           ///< index in its pool
  std::int64_t total_blocks = 0;
  std::vector<LoadSample> samples;
  std::vector<StepRecord> steps;
};

/// What a simulation writes down on the way; it does not change the outcome.
struct Recording {
  // What is asked for.
  Ticks interval = 0;      ///< between samples, the first after one of them; 0: no samples
  std::int64_t steps = 0;  ///< first steps of each replica; they are carried out one by one

  /// What came out: the engines, then the decode pool. All have samples up to the first one at or
  /// after the end of the simulation.
  std::vector<ReplicaRecord> replicas;
};

/// Samples of all replicas together.
std::vector<LoadSample> total_load(const Recording& recording);

}  // namespace tollgate
