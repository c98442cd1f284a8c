#pragma once

#include "sim/serving/workload_mix.h"
#include "sim/spec/scenario.h"
#include "sim/study/cost_result.h"

namespace tollgate {

/// What pricing needs of an operating point.
struct ServedTokens {
  Estimate gpu_hours_per_million_output;  ///< utilisation included
  Estimate gpu_hours_per_million_total;
  Estimate tokens_per_second;  ///< of one replica at its best, input and output
  int gpus = 0;                ///< of one replica
  double prefill_share = 0;    ///< of GPU time that computes prompts
  double kv_bytes_per_token = 0;
};

/// What one accelerator costs by the hour under a candidate's pricing.
CostStack stack_of(const CandidateSpec& candidate);

/// Mean over peak throughput under a candidate's pricing.
double utilisation_of(const PricingSpec& pricing);

/// Power of the candidate's accelerators and where the figure comes from.
PowerDraw power_of(const CandidateSpec& candidate, std::string* from = nullptr);

/// Cost per class of tokens, energy, sales, rent or pay, commitment: everything but inflation.
CostResult cost_of(const CandidateSpec& candidate, const WorkloadMix& mix,
                   const ServedTokens& served);

/// Price in USD of the mean request of a mix at the candidate's tariff.
double price_of_request(const CandidateSpec& candidate, const WorkloadMix& mix);

}  // namespace tollgate
