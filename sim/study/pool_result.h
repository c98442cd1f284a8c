#pragma once

#include <string>

#include "sim/base/estimate.h"

namespace tollgate {

/// Bytes per accelerator on the fullest rank.
struct MemoryResult {
  Estimate capacity;  ///< what the engine may use: by memory_utilisation
  Estimate weights;
  Estimate kv_cache;         ///< at the operating batch, sparse-index keys included
  Estimate recurrent_state;  ///< at the operating batch
  Estimate activations;
  Estimate runtime_overhead;  ///< CUDA context, communication buffers, graphs
  Estimate free;              ///< what is left of the capacity
};

/// One pool of a disaggregated replica.
struct PoolResult {
  int instances = 1;  ///< engines
  int gpus = 0;       ///< of one engine
  int tensor = 1, pipeline = 1, expert = 1, data_attention = 1;
  MemoryResult memory;
  Estimate largest_batch;               ///< sequences that one engine holds at their mean context
  double sequences = 0;                 ///< that one engine holds at the operating point
  double busy = 0;                      ///< prefill: share of time in which an engine computes
  double most_requests_per_second = 0;  ///< of the pool by itself under the targets

  int all_gpus() const { return instances * gpus; }
};

/// A replica of two pools; CandidateResult has the sizes and the memory of its decode engines.
struct DisaggregationResult {
  PoolResult prefill, decode;
  std::string limiting;  ///< "prefill", "decode" or "link": who could carry least
  std::string link;      ///< the cache is sent over
  double link_requests_per_second = 0;
  double bytes_per_prompt = 0;    ///< on the busiest link, mean
  double seconds_per_prompt = 0;  ///< of one transfer, without waiting
  double sending = 0;             ///< seconds of the TTFT, waiting for links included
};

}  // namespace tollgate
