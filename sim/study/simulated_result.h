#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sim/serving/engine/recording.h"
#include "sim/serving/engine/summary.h"

namespace tollgate {

/// A latency over independent draws: mean over them and 95 % confidence half-width, seconds.
struct SimulatedLatency {
  SeedInterval mean, p50, p90, p95, p99, max;
};

/// A class of requests in a simulation; medians and tails over all draws.
struct SimulatedClass {
  std::string name;
  SeedInterval requests_per_second;  ///< arrived, of all simulated replicas
  SeedInterval attained;             ///< share of them that kept every promise
  SimulatedLatency ttft, tpot, end_to_end;
};

/// What a simulation of single requests found at the operating point.
struct SimulatedResult {
  int seeds = 0;
  std::int64_t requests = 0;  ///< of the first draw
  int replicas = 1;           ///< simulated beside each other
  double warm_up = 0;         ///< seconds left out at the beginning, of the first draw
  double window = 0;          ///< seconds that count, of the first draw

  SeedInterval requests_per_second;  ///< per replica, as the rates below
  SeedInterval input_tokens_per_second, output_tokens_per_second;
  SeedInterval goodput;   ///< requests/s that keep the promises of their class
  SeedInterval attained;  ///< share of requests that do
  SimulatedLatency ttft, tpot, end_to_end;
  SimulatedLatency itl;    ///< single gaps between tokens
  SeedInterval hit_rate;   ///< share of prompt tokens found in the prefix cache
  SeedInterval preempted;  ///< preemptions per request
  std::int64_t cut = 0;    ///< requests shortened to fit the context, of the first draw
  Saturation saturation = Saturation::stable;  ///< the worst of the draws
  std::string reason;                          ///< of that verdict
  std::vector<SimulatedClass> classes;
  /// Load of all replicas together over the first draw, the first `interval` seconds after its
  /// beginning; `cache_blocks` are there.
  std::vector<LoadSample> timeline;
  double interval = 0;
  std::int64_t cache_blocks = 0;
  std::shared_ptr<const Recording> recording;  ///< first steps of the first draw, where asked for

  /// The closed form at the same load, for comparison.
  double analytic_requests_per_second = 0, analytic_ttft = 0, analytic_tpot = 0;
};

}  // namespace tollgate
