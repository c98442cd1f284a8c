#pragma once

#include "sim/serving/engine/simulate.h"
#include "tests/serving/test_timer.h"

namespace tollgate {

/// One synchronous engine whose steps take a millisecond each, so that times follow by hand.
struct MetronomeBench {
  Metronome timer;
  ServingSystem system;
  RequestTable t;

  explicit MetronomeBench(SchedulerPolicy policy) {
    system.engines.timer = &timer;
    scheduler().policy = policy;
    scheduler().block_tokens = policy == SchedulerPolicy::sglang ? 1 : 16;
    scheduler().blocks = 20000;
    scheduler().max_sequences = 64;
    scheduler().async = false;
    scheduler().prefix_cache = false;
  }
  SchedulerConfig& scheduler() { return system.engines.scheduler; }
  void add(double ms, int input, int output) {
    t.arrival.push_back(static_cast<Ticks>(ms * 1e9));
    t.input.push_back(input);
    t.output.push_back(output);
  }
};

}  // namespace tollgate
