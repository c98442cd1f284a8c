#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/serving/engine/simulate.h"

namespace tollgate {

/// What a class of requests is promised, seconds; 0 is no promise.
struct SloClass {
  std::string name;
  double ttft = 0, tpot = 0, end_to_end = 0;
};

struct SummaryOptions {
  /// Part of the time that counts, seconds. Not given: from the end of the warm-up to the last
  /// arrival.
  std::optional<std::pair<double, double>> window;
  std::vector<SloClass> classes;      ///< empty: one class without promises
  std::vector<std::int8_t> class_of;  ///< of each request; empty: all of class 0
  /// Seconds from sending a request to the engine's queue, in which the latencies below begin: of
  /// every request, and of each token of its prompt.
  double ingest = 0, ingest_per_token = 0;
};

/// Mean, percentiles and the longest, over the requests of the window, seconds.
struct LatencySummary {
  double mean = 0, p50 = 0, p90 = 0, p95 = 0, p99 = 0, max = 0;
};

struct ClassSummary {
  std::string name;
  std::int64_t requests = 0;  ///< that arrived in the window
  LatencySummary ttft, tpot, end_to_end;
  double attained = 1;  ///< share of them that kept every promise
  double goodput = 0;   ///< requests/s that did
};

enum class Saturation {
  stable,      ///< most steps admit whoever waits
  backlogged,  ///< most steps leave somebody waiting, but the queue does not grow
  overloaded,  ///< the queue grows as long as requests arrive
};

/// State of the system at a moment.
struct TimelineSample {
  double time = 0;            ///< seconds
  std::int64_t waiting = 0;   ///< arrived, without a first token
  std::int64_t decoding = 0;  ///< with a first token, not finished
};

struct ServingSummary {
  double from = 0, to = 0;  ///< the window, seconds
  bool warm_up_detected = false;
  std::int64_t requests = 0;
  double requests_per_second = 0;       ///< that end in the window
  double input_tokens_per_second = 0;   ///< of prompts whose first token is given in it
  double output_tokens_per_second = 0;  ///< given in it
  LatencySummary ttft, tpot, end_to_end;
  /// Over the gaps between tokens that end in the window, to a 64th of the run (token_gaps.h).
  LatencySummary itl;
  double goodput = 0;
  std::vector<ClassSummary> classes;
  double cache_hit_rate = 0;  ///< share of prompt tokens found in the prefix cache, whole run
  Saturation saturation = Saturation::stable;
  std::string reason;  ///< of the verdict, one sentence
};

/// Requests count that arrive in the window; throughput is of the tokens given in it. Throws
/// InputError for a window without requests.
///
/// The end of the warm-up is found by MSER-5 (White, Simulation 69(6), 1997) on the number of
/// requests in the system: the beginning is cut off whose loss makes the standard error of the rest
/// smallest, at most half of the run.
ServingSummary summarise(const RequestTable& requests, const Outcome& outcome,
                         const SummaryOptions& options = {});

/// `count` samples at equal distances from 0 to the end of the run.
std::vector<TimelineSample> timeline(const RequestTable& requests, const Outcome& outcome,
                                     std::size_t count);

/// Mean of a figure over independent runs and the half-width of its 95 % confidence interval
/// (Student's t). One value has no interval: the half-width is 0.
struct SeedInterval {
  double mean = 0, half_width = 0;
};
SeedInterval over_seeds(const std::vector<double>& values);

/// The same system with requests drawn anew from seeds first_seed, first_seed + 1, ...; in
/// parallel, the result in the order of the seeds.
std::vector<ServingSummary> simulate_seeds(const ServingSystem& system,
                                           const std::function<RequestTable(std::uint64_t)>& draw,
                                           std::uint64_t first_seed, int seeds,
                                           const SummaryOptions& options = {});

}  // namespace tollgate
