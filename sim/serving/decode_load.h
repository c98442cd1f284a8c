#pragma once

#include "sim/serving/workload_mix.h"
#include "sim/spec/engine_spec.h"
#include "sim/timing/step_model.h"

namespace tollgate {

/// Steps in which sequences decode in groups of data-parallel attention. Groups step together and
/// wait for the fullest: of the cache, the largest of as many sums over sequences; groups without
/// sequences keep the others company, so that the fullest has at least a whole one. vLLM evens out
/// the numbers of sequences, SGLang deals them out in turn.
class DecodeLoads {
 public:
  /// Keeps a reference to `mix`.
  DecodeLoads(const WorkloadMix& mix, double groups, SchedulingPolicy policy);

  /// A step of `decoding` sequences over all groups.
  StepLoad of(double decoding) const;

  /// The same where their number has this variance: vLLM's fullest group then has the next whole
  /// number of sequences above the even share.
  StepLoad of(double decoding, double variance) const;

 private:
  const WorkloadMix& mix_;
  StepLoad load(double each, double most) const;

  double groups_, largest_, dealt_;
};

}  // namespace tollgate
