#pragma once

#include "sim/serving/decode_load.h"
#include "sim/serving/steady_state.h"

namespace tollgate {

/// An engine that only generates answers, at a number of sequences: means.
struct DecodePace {
  double requests_per_second = 0;
  double tpot = 0;      ///< seconds per token after the first
  double residual = 0;  ///< seconds until the next scheduling point
  double first = 0;     ///< seconds from the arrival of the cache to the first token
  double step = 0;      ///< seconds per step
  StepLoad load;        ///< a step
};

/// Closed form of a decode engine of a disaggregated pair (method.md, "Two pools"). vLLM computes
/// the last prompt token of a sequence that joins again; SGLang has the first token sent along.
class DecodePool {
 public:
  /// Keeps references to the arguments.
  DecodePool(const StepModel& model, const WorkloadMix& mix, const SchedulerLimits& limits,
             double time_scale);

  /// With `decoding` sequences on average, above 0, of answers of more than one token. Of those
  /// there, an arrival finds the share `others`.
  DecodePace at(double decoding, double others) const;

 private:
  const StepModel& model_;
  const WorkloadMix& mix_;
  const SchedulerLimits& limits_;
  DecodeLoads loads_;
  double time_scale_;
};

}  // namespace tollgate
