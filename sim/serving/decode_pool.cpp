#include "sim/serving/decode_pool.h"

#include <algorithm>
#include <cmath>

namespace tollgate {
DecodePool::DecodePool(const StepModel& model, const WorkloadMix& mix,
                       const SchedulerLimits& limits, double time_scale)
    : model_(model),
      mix_(mix),
      limits_(limits),
      loads_(mix, model.deployment().data_attention, limits.policy),
      time_scale_(time_scale) {}

DecodePace DecodePool::at(double decoding, double others) const {
  const bool sends_first = limits_.policy == SchedulingPolicy::prefill_first;
  const double batches = std::min<double>(model_.deployment().pipeline, std::max(1.0, decoding));
  const double sequences = decoding / batches;
  const double steps = mix_.decoded / limits_.acceptance_length;  // of an answer
  // vLLM computes the last prompt token of those who join in a row beside those that decode.
  const double joining = sends_first ? 0 : sequences / steps;

  DecodePace pace;
  // A sequence steps beside as many others as an arrival finds there (arrival theorem, Sevcik and
  // Mitrani, JACM 28(2), 1981), which is one less than the mean number where that is constant.
  const double variance = sequences * std::max(0.0, 1 - sequences * (1 - others));
  pace.load = loads_.of(1 + others * sequences + joining, variance);
  pace.step = time_scale_ * model_.seconds(pace.load);
  pace.tpot = pace.step / limits_.acceptance_length;
  // An engine with few sequences is often found idle.
  const double found = others * -std::expm1(-sequences);
  pace.residual = found * pace.step / 2;
  const double lag = limits_.async ? found * pace.step : 0;
  pace.first = pace.residual + (sends_first ? 0 : lag + pace.step);
  // The step that was decided before a sequence joined stands between its first two tokens.
  if (sends_first) pace.tpot += lag / mix_.decoded;
  pace.requests_per_second = decoding / (mix_.decoded * pace.tpot);
  return pace;
}

}  // namespace tollgate
