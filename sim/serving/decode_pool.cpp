#include "sim/serving/decode_pool.h"

#include <algorithm>
#include <cmath>

#include "sim/serving/prompt_step.h"

namespace tollgate {
namespace {

constexpr int most_iterations = 100;
constexpr double tolerance = 1e-10;

}  // namespace

DecodePool::DecodePool(const StepModel& model, const WorkloadMix& mix,
                       const SchedulerLimits& limits, double time_scale)
    : model_(model),
      mix_(mix),
      limits_(limits),
      loads_(mix, model.deployment().data_attention, limits.policy),
      time_scale_(time_scale) {}

DecodePace DecodePool::at(double decoding, double others) const {
  const bool sends_first = limits_.policy == SchedulingPolicy::prefill_first;
  const double groups = model_.deployment().data_attention;
  const double batches = std::min<double>(model_.deployment().pipeline, std::max(1.0, decoding));
  const double sequences = decoding / batches;
  const double steps = mix_.decoded / limits_.acceptance_length;  // of an answer

  DecodePace pace;
  pace.load = loads_.of(sequences);
  const double plain = seconds(pace.load);
  double joined = plain, joins = 0;  // a step in which somebody joins, and its share of the steps
  pace.step = plain;
  double per_token = plain;
  if (!sends_first) {
    StepLoad load = pace.load;
    load.prefill_context = mix_.input;
    PromptDemand demand{1, 0, limits_.batched_tokens, groups};
    for (int i = 0; i < most_iterations; ++i) {
      const double before = pace.step;
      const double rate = sequences / (steps * per_token);
      const PromptStep p = prompt_step(std::max(rate * before, 1e-12), demand);
      load.prefill_tokens = load.prompts_finished = p.tokens;
      load.busiest_prompt_rows = p.busiest;
      joined = seconds(load);
      joins = p.share;
      pace.step = joins * joined + (1 - joins) * plain;
      const double felt = joins * others;  // a sequence does not slow itself
      per_token = felt * joined + (1 - felt) * plain;
      if (std::fabs(pace.step - before) <= tolerance * before) break;
    }
  }
  pace.tpot = per_token / limits_.acceptance_length;
  // An engine with few sequences is often found idle.
  const double found = others * -std::expm1(-sequences);
  const double squares = joins * joined * joined + (1 - joins) * plain * plain;
  pace.residual = found * squares / (2 * pace.step);
  const double lag = limits_.async ? found * pace.step : 0;
  const double own = sends_first ? 0 : joined;
  pace.first = pace.residual + (sends_first ? 0 : lag + own);
  // The step that was decided before a sequence joined stands between its first two tokens.
  if (sends_first) pace.tpot += lag / mix_.decoded;
  pace.requests_per_second = decoding / (mix_.decoded * pace.tpot);
  return pace;
}

}  // namespace tollgate
