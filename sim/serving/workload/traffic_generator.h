#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sim/serving/engine/summary.h"
#include "sim/spec/workload_spec.h"

namespace tollgate {

/// How much traffic is made, and for whom.
struct TrafficOptions {
  std::uint64_t seed = 1;
  std::int64_t requests = 0;  ///< so many; 0: as many as `duration` has
  double duration = 0;        ///< seconds in which requests or conversations begin; 0: no bound
  /// Tokens that a prompt and its answer may have together: the smaller of the model's context and
  /// the cache of an engine. Drawn lengths are cut there, conversations end before they outgrow it,
  /// and a recorded request beyond it is an error.
  std::int64_t context = 100'000'000;
};

/// Requests for simulate(), with what it and its summary need to know beside them.
struct GeneratedTraffic {
  RequestTable table;
  std::vector<std::int8_t> class_of;      ///< of each request; empty: all of class 0
  std::vector<SloClass> classes;          ///< names and promises; as SummaryOptions has them
  std::optional<ClosedLoop> closed_loop;  ///< of one replica
  double rate = 0;               ///< requests per second offered on average; 0 in a closed loop
  std::int64_t cut = 0;          ///< requests that were shortened to fit the context
  std::int64_t ended_early = 0;  ///< conversations that were ended because they outgrew it
};

/// Draws requests of a mix of classes and gives them times: at a rate by an arrival process, in a
/// closed loop (`concurrency` users, who each hold one conversation or wait for one answer at a
/// time), or as a trace has them (`classes` then gives the name and the promises of the only
/// class).
///
/// The requests with the same seed are the same whatever their number, and their lengths whatever
/// the load. Weights are shares of requests; so conversations of many requests begin less often.
/// A class without sessions finds the share `prefix_hit_rate` of each prompt, whatever the cache
/// has room for; with sessions and traces the rate emerges.
///
/// Throws InputError: no class, more than 127 classes, a load without arrivals (`saturate`),
/// neither requests nor duration (a closed loop needs `requests`), more than 2^30 requests, or a
/// trace that cannot be read.
GeneratedTraffic generate_traffic(const std::vector<RequestClass>& classes, const LoadSpec& load,
                                  const TrafficOptions& options);

}  // namespace tollgate
