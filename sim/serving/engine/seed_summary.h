#pragma once

#include <string>
#include <vector>

#include "sim/serving/engine/summary.h"

namespace tollgate {

/// A latency over independent runs: the mean of each run's figure and its 95 % interval, seconds.
struct LatencyIntervals {
  SeedInterval mean, p50, p90, p95, p99, max;
};

struct ClassIntervals {
  std::string name;
  LatencyIntervals ttft, tpot, end_to_end;
  SeedInterval attained, goodput;
};

/// Several seeds of the same system in one.
struct SeedSummary {
  int seeds = 0;
  SeedInterval requests_per_second, input_tokens_per_second, output_tokens_per_second;
  LatencyIntervals ttft, tpot, end_to_end, itl;
  SeedInterval goodput, cache_hit_rate;
  std::vector<ClassIntervals> classes;
  /// The worst verdict that at least half of the seeds have or exceed, and the reason of the first
  /// seed that has it.
  Saturation saturation = Saturation::stable;
  std::string reason;
};

/// Percentiles are taken in each run and averaged over the runs: a percentile of all requests
/// together has no interval, because those of one run depend on each other. The intervals are
/// Student's t over the runs, which are independent (Law: Simulation Modeling and Analysis, 5th
/// ed., 9.4.1, replication). Throws InputError without runs, or where the runs have different
/// classes.
SeedSummary summarise_seeds(const std::vector<ServingSummary>& runs);

}  // namespace tollgate
