#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/base/estimate.h"
#include "sim/spec/scenario.h"
#include "sim/study/cost_result.h"
#include "sim/study/pool_result.h"
#include "sim/study/simulated_result.h"

namespace tollgate {

/// Which limit a phase spends most of its time at, and the share of time at each.
struct BoundResult {
  std::string name;  ///< compute, hbm, interconnect, imbalance or host
  double compute = 0, hbm = 0, interconnect = 0, imbalance = 0, host = 0;  ///< shares, sum 1
};

/// One line of the step breakdown: an operator class of a decode or prefill step.
struct OperatorShare {
  std::string phase;   ///< "prefill" or "decode"
  std::string name;    ///< "gemm", "attention", "experts", "all-to-all", ...
  double seconds = 0;  ///< per step
  std::string bound;
  Provenance provenance = Provenance::assumed;
  double low = 0, high = 0;  ///< P10 and P90 of `seconds`
};

/// Bytes of dispatch and combine that one layer puts on the busiest port in a step.
struct LinkBytes {
  double mean = 0, p50 = 0, p95 = 0, max = 0;
};

/// Steps of one phase at one kind of expert layer, over layers and steps.
struct PhaseRouting {
  double tokens = 0;  ///< routed together in one step
  double busiest_mean = 1, busiest_p50 = 1, busiest_p95 = 1,
         busiest_max = 1;   ///< assignments on the busiest rank over the mean
  double weights_read = 0;  ///< experts whose weights the rank with most of them reads
  double ranks_per_token = 1, nodes_per_token = 1;
  LinkBytes scale_up, network;  ///< both zero where tokens are not exchanged
};

/// Seconds of a step at the mean, the median and the 95th percentile of steps: they differ by how
/// evenly a step's tokens spread over the experts.
struct StepSeconds {
  double mean = 0, p50 = 0, p95 = 0;
};

/// What the routing engine found for one mixture-of-experts layer kind at the operating point.
struct RoutingResult {
  std::string ffn;
  int experts = 0, top_k = 0, ranks = 0;
  double tokens = 0;              ///< tokens routed together in one decode step
  double busiest_rank_ratio = 1;  ///< tokens on the busiest rank over the mean
  double distinct_experts = 0;    ///< of one layer, touched in one decode step over all ranks
  double distinct_ranks_per_token = 0;
  double busiest_rank_p95 = 1;
  PhaseRouting decode = {}, prefill = {};
};

struct CandidateResult {
  std::string name;
  std::string model, hardware;
  bool fits = false;       ///< weights and at least one sequence fit in memory
  bool meets_slo = false;  ///< an operating point keeps the SLO
  std::string reason;  ///< why it does not fit or meet the SLO; else what stopped a larger batch
  std::string limited_by;  ///< "tpot", "ttft", "kv memory", "max_batch", "load", ...

  // The deployment as chosen.
  int gpus = 0;  ///< per replica
  int tensor = 1, pipeline = 1, expert = 1, data_attention = 1;
  bool two_batches = false;  ///< steps overlap the exchange of one batch with another's work
  std::optional<DisaggregationResult> disaggregation;  ///< a replica is two pools
  int replicas = 1;
  std::string precision;  ///< for example "fp8 weights, bf16 KV"

  MemoryResult memory;
  Estimate largest_batch;  ///< sequences per replica that memory holds at the mean context
  Estimate batch;          ///< sequences in flight per replica at the operating point

  Estimate input_tokens_per_second_per_gpu;  ///< prompt tokens, cached ones included
  Estimate output_tokens_per_second_per_gpu;
  Estimate requests_per_second;     ///< per replica
  Estimate ttft, tpot, end_to_end;  ///< seconds, means

  BoundResult prefill_bound, decode_bound;
  std::vector<OperatorShare> operators;
  std::vector<RoutingResult> routing;
  StepSeconds decode_step, prefill_step;  ///< only with expert layers

  Estimate gpu_hours_per_million_output_tokens;
  Estimate usd_per_million_output_tokens;  ///< whole bill over output tokens
  Estimate usd_per_million_tokens;         ///< whole bill over input + output tokens (blended)
  GpuPrice price;
  double usd_per_hour = 0;  ///< of the whole service: replicas x GPUs x price
  CostResult cost;

  std::optional<SimulatedResult> simulated;  ///< with `fidelity: simulated`

  double total_parameters = 0, active_parameters = 0;
  bool mixture = false;  ///< the model has experts
  double kv_bytes_per_token = 0;
  std::vector<std::string> assumptions;  ///< sentences: what was assumed, and from where
};

struct RunResult {
  std::string scenario, question;
  std::string inputs_digest;
  std::vector<RequestClass> workload;
  LoadSpec load;
  SloSpec slo;
  double mean_input = 0, mean_cached = 0, mean_output = 0;  ///< tokens per request over the mix
  std::vector<CandidateResult> candidates;                  ///< in scenario order
  int cheapest = -1;  ///< index of the cheapest candidate that fits and meets the SLO, -1 none
};

}  // namespace tollgate
