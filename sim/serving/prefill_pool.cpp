#include "sim/serving/prefill_pool.h"

#include <algorithm>
#include <cmath>

#include "sim/serving/prompt_step.h"

namespace tollgate {
namespace {

constexpr int most_iterations = 100;
constexpr double tolerance = 1e-10;

/// Coefficient of variation of the mean position that the tokens of a group's step see, with `room`
/// tokens in it: of whole prompts, or of parts of long ones.
double uneven_positions(const WorkloadMix& mix, double room) {
  double tokens = 0, positions = 0, squares = 0;
  for (const ContextMix::Prompt& p : mix.contexts.prompts) {
    const double w = p.share * p.computed, middle = p.context - p.computed / 2;
    const double parts = std::max(0.0, p.computed * p.computed - room * room) / 12;
    tokens += w;
    positions += w * middle;
    squares += w * (middle * middle + parts);
  }
  const double scv = squares * tokens / (positions * positions) - 1;
  return std::sqrt(std::max(0.0, scv) / std::max(1.0, room / mix.uncached));
}

}  // namespace

PrefillPool::PrefillPool(const StepModel& model, const WorkloadMix& mix,
                         const SchedulerLimits& limits, double spread, double time_scale)
    : model_(model),
      mix_(mix),
      async_(limits.async),
      spread_(spread),
      time_scale_(time_scale),
      groups_(model.deployment().data_attention),
      largest_(largest_of_normals(groups_)),
      room_(limits.batched_tokens) {
  // SGLang divides the chunk by the groups (server_args.py).
  if (limits.policy == SchedulingPolicy::prefill_first) room_ /= groups_;
  uneven_ = uneven_positions(mix, room_);
  full_ = seconds(room_ * groups_, room_, groups_);
  // A pipeline works on as many steps at once as it has stages.
  capacity_ = model.deployment().pipeline * groups_ * room_ / (mix.uncached * full_);
}

StepLoad PrefillPool::load_of(double tokens, double busiest, double busy) const {
  StepLoad load;
  load.prefill_tokens = tokens;
  // All wait for the group whose tokens see most.
  load.prefill_context = mix_.prefill_context * (1 + uneven_ * largest_of(busy));
  load.prompts_finished = tokens / mix_.uncached;
  load.busiest_prompt_rows = busiest;
  return load;
}

/// Mean of the largest of `busy` normal draws, 1 to all groups: largest_of_normals to 0.1.
double PrefillPool::largest_of(double busy) const {
  return groups_ > 1 ? largest_ * std::pow(std::log(std::max(1.0, busy)) / std::log(groups_), 0.8)
                     : 0;
}

double PrefillPool::seconds(double tokens, double busiest, double busy) const {
  return time_scale_ * model_.seconds(load_of(tokens, busiest, busy));
}

PrefillPace PrefillPool::at(double rate, double others) const {
  const double u = mix_.uncached;
  const double per_batch = rate / model_.deployment().pipeline;
  const double alone = std::min(u, room_);
  const double lone_step = seconds(alone, alone, 1);
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
    busy_step = seconds(p.tokens, p.busiest, groups_ * p.busy / p.share);
    pace.step = 0.5 * (before + p.share * busy_step + (1 - p.share) * lone_step);
    if (std::fabs(pace.step - before) <= tolerance * before) break;
  }
  const double tokens = p.share * p.tokens + (1 - p.share) * alone;
  pace.load = load_of(tokens, p.share * p.busiest + (1 - p.share) * alone,
                      1 + p.share * (groups_ * p.busy / p.share - 1));
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
    const double elsewhere = std::min(room_, u * beside / groups_);
    return seconds(rows + (groups_ - 1) * elsewhere, rows, 1 + std::min(beside, groups_ - 1));
  };
  pace.own = u <= room_ ? own_step() : service;
  pace.together = std::min(1 + beside / groups_, std::max(1.0, room_ / u));
  return pace;
}

}  // namespace tollgate
