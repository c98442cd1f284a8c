#include "sim/serving/prefill_pool.h"

#include <algorithm>
#include <cmath>

#include "sim/serving/prompt_step.h"

namespace tollgate {
namespace {

constexpr int most_iterations = 100;
constexpr double tolerance = 1e-10;

}  // namespace

PrefillPool::PrefillPool(const StepModel& model, const WorkloadMix& mix,
                         const SchedulerLimits& limits, double spread, double time_scale)
    : model_(model),
      mix_(mix),
      async_(limits.async),
      spread_(spread),
      time_scale_(time_scale),
      groups_(model.deployment().data_attention),
      room_(limits.batched_tokens) {
  // SGLang divides the chunk by the groups (server_args.py).
  if (limits.policy == SchedulingPolicy::prefill_first) room_ /= groups_;
  full_ = seconds(room_ * groups_, room_);
  // A pipeline works on as many steps at once as it has stages.
  capacity_ = model.deployment().pipeline * groups_ * room_ / (mix.uncached * full_);
}

StepLoad PrefillPool::load_of(double tokens, double busiest) const {
  StepLoad load;
  load.prefill_tokens = tokens;
  load.prefill_context = mix_.prefill_context;
  load.prompts_finished = tokens / mix_.uncached;
  load.busiest_prompt_rows = busiest;
  return load;
}

double PrefillPool::seconds(double tokens, double busiest) const {
  return time_scale_ * model_.seconds(load_of(tokens, busiest));
}

PrefillPace PrefillPool::at(double rate, double others) const {
  const double u = mix_.uncached;
  const double per_batch = rate / model_.deployment().pipeline;
  const double alone = std::min(u, room_);
  const double lone_step = seconds(alone, alone);
  const PromptDemand demand{u, mix_.uncached_scv, room_, groups_};
  // After a step that prompts arrived in comes one that computes them; after another one the
  // engine rests until the next prompt, which it computes alone.
  PrefillPace pace;
  PromptStep p;
  double arrivals = 0, busy_step = lone_step;
  pace.step = lone_step;
  for (int i = 0; i < most_iterations; ++i) {
    const double before = pace.step;
    arrivals = std::max(per_batch * before, 1e-12);
    p = prompt_step(arrivals, demand);
    busy_step = seconds(p.tokens, p.busiest);
    pace.step = 0.5 * (before + p.share * busy_step + (1 - p.share) * lone_step);
    if (std::fabs(pace.step - before) <= tolerance * before) break;
  }
  const double tokens = p.share * p.tokens + (1 - p.share) * alone;
  pace.load = load_of(tokens, p.share * p.busiest + (1 - p.share) * alone);
  pace.busy = std::min(1.0, per_batch * u * pace.step / tokens);

  // The rest of the step under way, and with asynchronous scheduling the one decided before.
  const double squares = p.share * busy_step * busy_step + (1 - p.share) * lone_step * lone_step;
  const double lag = async_ ? p.share * busy_step : 0;
  const double step_under_way = others * pace.busy * (squares / (2 * pace.step) + lag);
  // Where prompts fill steps they queue one after the other: G/G/1 (Kingman 1961).
  const double service = full_ * u / room_;
  const double load = std::min(1.0, others * rate / capacity_);
  const double queue = service * (spread_ + mix_.uncached_scv) / 2 * load / (1 - load + 1e-12);
  pace.waiting = std::max(step_under_way, queue);

  const double beside = others * pace.busy * arrivals;
  const auto own_step = [&] {
    const double rows = std::min(room_, u * (1 + beside / groups_));
    return seconds(rows + (groups_ - 1) * std::min(room_, u * beside / groups_), rows);
  };
  pace.own = u <= room_ ? own_step() : service;
  pace.together = std::min(1 + beside / groups_, std::max(1.0, room_ / u));
  return pace;
}

}  // namespace tollgate
