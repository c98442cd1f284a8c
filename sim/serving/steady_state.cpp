#include "sim/serving/steady_state.h"

#include <algorithm>
#include <cmath>

namespace tollgate {
namespace {

constexpr int most_iterations = 200;
constexpr double tolerance = 1e-9;

}  // namespace

SteadyState solve_steady_state(const StepModel& model, const WorkloadMix& mix,
                               const SchedulerLimits& limits, double in_flight, double time_scale) {
  // A micro-batch holds at least one whole request; with fewer requests than stages some are empty.
  const double batches = std::min<double>(model.deployment().pipeline, std::max(1.0, in_flight));
  const double population = in_flight / batches;
  const double others = std::max(0.0, (population - 1) / population);
  const double groups = model.deployment().data_attention;
  const double others_in_group = std::max(0.0, (population - groups) / population);
  const double budget = limits.batched_tokens * groups;
  const double fed = model.tokens_per_sequence();
  const auto seconds = [&](const StepLoad& load) { return time_scale * model.seconds(load); };

  SteadyState state;
  state.in_flight = in_flight;
  double decoding = mix.decoded > 0 ? 0.8 * population : 0;
  double rate = 0;  // requests per second of one micro-batch
  for (int i = 0; i < most_iterations; ++i) {
    // Sequences come first; a chunk of prompt tokens takes what they leave of the budget.
    const double room = std::max(budget - decoding * fed, budget / 64);
    const double group_room = room / groups;
    const auto mixed_with = [&](double chunk) {
      StepLoad load;
      load.prefill_tokens = chunk;
      load.prefill_context = mix.prefill_context;
      load.prompts_finished = chunk / mix.uncached;
      load.busiest_prompt_rows = std::min({mix.uncached, chunk, group_room});
      load.decode_sequences = decoding;
      load.decode_context = mix.decode_context;
      return load;
    };
    StepLoad decode;
    decode.decode_sequences = decoding;
    decode.decode_context = mix.decode_context;
    const double decode_seconds = decoding > 0 ? seconds(decode) : 0;
    const double full_seconds = seconds(mixed_with(room));
    // Seconds of a group's prefill one prompt takes when steps are full.
    const double demand = full_seconds * mix.uncached / group_room;
    const double capacity = groups / demand;
    rate = std::min(rate, capacity);

    // Prompts that arrive within a step are computed together in the next one: Poisson, given one.
    const double step_before = state.step > 0 ? state.step : full_seconds;
    const double per_step = rate * step_before;
    const double together = per_step > 1e-9 ? per_step / -std::expm1(-per_step) : 1;
    const double busy = rate / capacity;
    const double queue = busy * busy * others_in_group * (1 + mix.uncached_scv) / 2 /
                         std::max(1e-9, 1 - busy * others_in_group);
    const double chunk = std::min(room, mix.uncached * std::max(together, queue * groups));
    const StepLoad mixed = mixed_with(chunk);
    const double mixed_seconds = seconds(mixed);
    const double share = std::min(1.0, per_step * mix.uncached / chunk);
    const double step = share * mixed_seconds + (1 - share) * decode_seconds;

    // A sequence's own prompt does not slow its own decoding.
    const double felt = share * others;
    const double tpot =
        (felt * mixed_seconds + (1 - felt) * (decoding > 0 ? decode_seconds : mixed_seconds)) /
        limits.acceptance_length;
    const double decode_time = mix.decoded * tpot;
    const double residual = step > 0 ? others *
                                           (share * mixed_seconds * mixed_seconds +
                                            (1 - share) * decode_seconds * decode_seconds) /
                                           (2 * step)
                                     : 0;
    // Its own steps: one, shared with what arrived beside it, or several full ones.
    const double own_rows = std::min(room, mix.uncached * (1 + per_step * others));
    const double own = mix.uncached <= group_room ? seconds(mixed_with(own_rows))
                                                  : full_seconds * mix.uncached / group_room;
    const double rest = limits.host_per_request + residual + own + decode_time;
    // Population = rate x (rest + waiting), waiting = k b o / (1 - b o) at a server busy for b,
    // with k = demand (1 + scv) / 2 and o the others' share: a quadratic in b. No root below 1:
    // saturated.
    const double k = demand * (1 + mix.uncached_scv) / 2;
    const double square = capacity * others_in_group * (k - rest);
    const double line = capacity * rest + population * others_in_group;
    const double root =
        2 * population / (line + std::sqrt(std::max(0.0, line * line + 4 * square * population)));
    const double next = capacity * std::min(1.0, root);
    const double waiting = std::max(0.0, population / next - rest);

    const double before = rate;
    rate = i == 0 ? next : 0.5 * (rate + next);
    const double decoding_before = decoding;
    decoding = 0.5 * (decoding + std::min(population, next * decode_time));
    state.step = step;
    state.chunk = chunk;
    state.tpot = mix.decoded > 0 ? tpot : 0;
    state.ttft = limits.host_per_request + residual + waiting + own;
    state.resident = std::min(population, decoding + rate * own) * batches;
    state.decode_load = decode;
    state.mixed_load = mixed;
    if (std::fabs(rate - before) <= tolerance * rate &&
        std::fabs(decoding - decoding_before) <= tolerance * population) {
      break;
    }
  }
  state.decoding = decoding * batches;
  state.end_to_end = state.ttft + mix.decoded * state.tpot;
  state.requests_per_second = in_flight / state.end_to_end;
  return state;
}

}  // namespace tollgate
