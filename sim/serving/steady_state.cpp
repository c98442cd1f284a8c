#include "sim/serving/steady_state.h"

#include <algorithm>
#include <cmath>

namespace tollgate {
namespace {

constexpr int most_iterations = 60;
constexpr double tolerance = 1e-6;

}  // namespace

SteadyState solve_steady_state(const StepModel& model, const WorkloadMix& mix, const SchedulerLimits& limits,
                               double in_flight, double time_scale) {
  const double stages = model.deployment().pipeline;
  const double per_microbatch = std::max(in_flight / stages, 1.0 / stages);
  const double fed = model.tokens_per_sequence();
  const double groups = model.deployment().data_attention;
  const double budget = limits.batched_tokens * groups;

  SteadyState state;
  state.in_flight = in_flight;
  double decoding = mix.decoded > 0 ? per_microbatch * 0.9 : 0;
  double ttft_service = 0, waiting = 0, tpot = 0;
  for (int i = 0; i < most_iterations; ++i) {
    const double room = std::max(budget - decoding * fed, std::min(budget, 16.0 * groups));
    // Prompts that arrive within one step, given that one does: Poisson with the completion rate.
    const double per_step = mix.decoded > 0 ? decoding * limits.acceptance_length / mix.decoded : per_microbatch;
    const double together = per_step > 1e-9 ? per_step / -std::expm1(-per_step) : 1;
    const double chunk = std::min(room, mix.uncached * together);
    const double share = std::min(1.0, per_step * mix.uncached / chunk);

    StepLoad decode;
    decode.decode_sequences = decoding;
    decode.decode_context = mix.decode_context;
    StepLoad mixed = decode;
    mixed.prefill_tokens = chunk;
    mixed.prefill_context = mix.prefill_context;
    mixed.prompts_finished = chunk / mix.uncached;
    mixed.busiest_prompt_rows = std::min({mix.uncached, chunk, room / groups});
    const double mixed_seconds = time_scale * model.seconds(mixed);
    const double decode_seconds = decoding > 0 ? time_scale * model.seconds(decode) : 0;
    const double step = share * mixed_seconds + (1 - share) * decode_seconds;

    // Seconds of the prefill server one request needs; micro-batches have one server each.
    const double demand = mixed_seconds * mix.uncached / chunk;
    tpot = step / limits.acceptance_length;
    const double decode_time = mix.decoded * tpot;
    // Schweitzer: an arrival sees the queue of a population smaller by its own share.
    const double others = std::max(0.0, (per_microbatch - 1) / per_microbatch);
    double queue = std::max(0.0, per_microbatch - decoding);
    double response = demand;
    for (int j = 0; j < 20; ++j) {
      response = demand * (1 + others * queue);
      const double next = per_microbatch * response / (response + decode_time);
      if (std::fabs(next - queue) < 1e-9 * per_microbatch) break;
      queue = next;
    }
    const double next = per_microbatch - queue;

    state.mixed_share = share;
    state.chunk = chunk;
    state.step = step;
    state.decode_load = decode;
    state.mixed_load = mixed;
    // A prompt longer than a chunk takes several steps of its own; a short one a whole step. Its tokens stay on one group, which takes its share of the budget.
    ttft_service = mixed_seconds * std::max(1.0, mix.uncached / std::min(chunk, room / groups));
    waiting = std::max(0.0, response - demand);
    const bool settled = std::fabs(next - decoding) <= tolerance * per_microbatch;
    decoding = i < 8 ? next : 0.5 * (decoding + next);
    if (settled) break;
  }
  state.decoding = decoding * stages;
  state.tpot = mix.decoded > 0 ? tpot : 0;
  // An arrival first waits for the step under way: half of it on average.
  const double residual = state.step / 2;
  state.ttft = limits.host_per_request + residual + waiting + ttft_service;
  state.end_to_end = state.ttft + mix.decoded * state.tpot;
  // Little's law over the prefill-decode cycle; ingest happens outside it.
  const double cycle = waiting + ttft_service + residual + limits.host_per_request + mix.decoded * state.tpot;
  state.requests_per_second = in_flight / cycle;
  return state;
}

}  // namespace tollgate
