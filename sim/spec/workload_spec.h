#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/spec/arrival_spec.h"
#include "sim/spec/length_spec.h"
#include "sim/spec/model_spec.h"
#include "sim/spec/session_spec.h"

namespace tollgate {

/// Latency that a class of requests is promised, seconds; 0 = no promise.
struct RequestSlo {
  double ttft = 0;        ///< to the first token
  double tpot = 0;        ///< per output token after the first
  double end_to_end = 0;  ///< to the last token
  Places places;
};

/// One class of requests of the mix.
struct RequestClass {
  std::string name;
  double weight = 1;           ///< share of requests (normalised over the mix)
  LengthSpec input;            ///< prompt tokens, cached part included
  LengthSpec output;           ///< generated tokens, at least 1
  double prefix_hit_rate = 0;  ///< fraction of prompt tokens found in the prefix cache, 0..1
  double correlation = 0;      ///< of prompt and answer length: Spearman's rank correlation
  int priority = 0;            ///< smallest first, -128..127
  RequestSlo slo;
  std::optional<SessionSpec> session;  ///< event simulation: prompts come from it, not from `input`
  std::optional<AgentSpec> agent;      ///< with `session` only
  std::vector<Source> sources;
  Places places;
};

/// What is offered to the system. Exactly one kind.
enum class LoadKind {
  saturate,     ///< the largest throughput that keeps the SLO
  concurrency,  ///< that many requests in flight per replica, closed loop
  rate,   ///< requests per second for the whole service; replicas are added until the SLO holds
  trace,  ///< requests recorded elsewhere, which bring their lengths with them
};

/// Layouts of recorded requests (sim/serving/workload/trace_reader.h).
enum class TraceFormat { automatic, azure, mooncake, burstgpt, sharegpt };

struct LoadSpec {
  LoadKind kind = LoadKind::saturate;
  double concurrency = 0;
  double think_time = 0;  ///< concurrency: seconds from an answer to the next request of its user
  double rate = 0;
  ArrivalSpec arrivals;  ///< rate: when the requests come
  std::string trace;     ///< a file, as a path from here
  TraceFormat format = TraceFormat::automatic;
  double speed = 1;  ///< trace: recorded seconds per second
  Places places;
};

/// Latency target on means; 0 = not bounded.
struct SloSpec {
  double ttft = 0;  ///< seconds to the first token
  double tpot = 0;  ///< seconds per output token after the first
  Places places;
};

}  // namespace tollgate
