#include "sim/serving/steady_state.h"

#include <algorithm>
#include <cmath>

#include "sim/base/portable_math.h"
#include "sim/serving/decode_load.h"
#include "sim/serving/prompt_step.h"

namespace tollgate {
namespace {

constexpr int most_iterations = 200;
constexpr double tolerance = 1e-9;

/// Mean times of a replica's steps at a rate of arrivals.
struct Pace {
  double decode = 0;  ///< seconds of a step without prompt tokens
  double per_token =
      0;            ///< seconds between two decode steps of a sequence, prompts of others included
  double step = 0;  ///< seconds of a step, mean
  double residual = 0;  ///< seconds that are left of the step under way when a request arrives
  double share = 0;     ///< of steps with prompt tokens
  double cycle = 0;     ///< seconds from a decode step to the next one, where prompts go first
  StepLoad mixed_load;
};

double residual_of(double share, double mixed, double decode, double step) {
  return step > 0 ? (share * mixed * mixed + (1 - share) * decode * decode) / (2 * step) : 0;
}

/// Mean of max(launching - x, 0) over log-normal times x of mean `mean` and coefficient of
/// variation `cv`, where x > `covered`: what launches take longer than the device outside graphs (a
/// put option with a barrier at its end; Black and Scholes 1973).
double waiting_for_launches(double launching, double covered, double mean, double cv) {
  if (launching <= std::max(0.0, covered) || mean <= 0) return 0;
  const double sd = std::sqrt(std::log1p(cv * cv));
  if (sd < 1e-6) return mean > covered ? std::max(0.0, launching - mean) : 0;
  const auto below = [&](double x) {  // mean of (launching - x) where times are below x
    if (x <= 0) return 0.0;
    const double z = (std::log(x / mean) - sd * sd / 2) / sd;
    return launching * portable::normal_cdf(z + sd) - mean * portable::normal_cdf(z);
  };
  return std::max(0.0, below(launching) - below(covered));
}

}  // namespace

SchedulerLimits scheduler_limits(const EngineSpec& engine, const DeploymentSpec& deployment,
                                 const WorkloadMix& mix) {
  SchedulerLimits limits;
  limits.policy = engine.policy;
  limits.async = engine.async_scheduling;
  limits.batched_tokens = deployment.batched_tokens;
  limits.host_per_request = engine.before_queue(mix.input);
  limits.acceptance_length = deployment.mtp_acceptance_length;
  return limits;
}

SteadyState solve_steady_state(const StepModel& model, const WorkloadMix& mix,
                               const SchedulerLimits& limits, double in_flight, double time_scale) {
  // A micro-batch holds at least one whole request; with fewer requests than stages some are empty.
  const double batches = std::min<double>(model.deployment().pipeline, std::max(1.0, in_flight));
  const double population = in_flight / batches;
  const double others = std::max(0.0, (population - 1) / population);
  const double groups = model.deployment().data_attention;
  const double others_in_group = std::max(0.0, (population - groups) / population);
  const double fed = model.tokens_per_sequence();
  const bool prefill_first = limits.policy == SchedulingPolicy::prefill_first;
  const DecodeLoads decode_loads(mix, groups, limits.policy);
  const auto seconds = [&](const StepLoad& load) { return time_scale * model.seconds(load); };

  SteadyState state;
  state.in_flight = in_flight;
  double decoding = mix.decoded > 0 ? 0.8 * population : 0;
  Pace pace;
  double rate = 0;  // requests per second of one micro-batch
  for (int i = 0; i < most_iterations; ++i) {
    const StepLoad decode = decode_loads.of(decoding);
    const double decode_seconds = decoding > 0 ? seconds(decode) : 0;

    PromptDemand demand{mix.uncached, mix.uncached_scv, limits.batched_tokens, groups};
    if (prefill_first) {
      demand.room /= groups;  // server_args.py divides the chunk
    } else {
      // Sequences come first; a chunk of prompt tokens takes what they leave of the budget.
      const double left = limits.batched_tokens - decoding * fed / groups;
      demand.room = std::max(left, limits.batched_tokens / 64);
    }
    const auto load_of = [&](double tokens, double busiest) {
      StepLoad load;
      load.prefill_tokens = tokens;
      load.prefill_context = mix.prefill_context;
      load.prompts_finished = tokens / mix.uncached;
      load.busiest_prompt_rows = busiest;
      if (!prefill_first || groups > 1) {
        load.decode_sequences = decode.decode_sequences;
        load.decode_context = mix.decode_context;
      }
      return load;
    };
    // Steps with prompts differ in their tokens, and none is quicker than its launches.
    const auto mean_seconds = [&](const StepLoad& load, double cv) {
      const double unhindered = model.unhindered(load);
      const Launches launches = model.launches(load);
      if (launches.seconds <= 0) return time_scale * unhindered;
      StepLoad rest = load;
      rest.prefill_tokens = rest.prompts_finished = rest.busiest_prompt_rows = 0;
      const double beside = load.decode_sequences > 0 ? model.unhindered(rest) : 0;
      const double prompts = unhindered - beside;
      const double in_graphs = prompts * launches.graph_rows / launches.rows;
      return time_scale *
             (unhindered + waiting_for_launches(launches.seconds - beside, in_graphs, prompts, cv));
    };
    const double full_seconds = seconds(load_of(demand.room * groups, demand.room));
    // Seconds of a group's prefill one prompt takes when steps are full.
    const double service = full_seconds * mix.uncached / demand.room;
    rate = std::min(rate, groups / service);

    if (prefill_first && groups == 1) {
      // Requests end with decode steps and the next ones come together: between two decode steps
      // there is a step with the prompts of one, or there is none.
      const double cycle = pace.cycle > 0 ? pace.cycle : decode_seconds + full_seconds;
      const PromptStep p = prompt_step(std::max(rate * cycle, 1e-12), demand);
      pace.mixed_load = load_of(p.tokens, p.busiest);
      const double prompts = mean_seconds(pace.mixed_load, p.cv);
      // What does not fit into one step follows in others.
      const double steps = std::max(p.share, rate * cycle * mix.uncached / p.tokens);
      pace.cycle = decode_seconds + steps * prompts;
      pace.share = steps / (1 + steps);
      pace.step = pace.cycle / (1 + steps);
      pace.residual = residual_of(pace.share, prompts, decode_seconds, pace.step);
      pace.per_token = decode_seconds + others * steps * prompts;
    } else {
      const double before = state.step > 0 ? state.step : full_seconds;
      const PromptStep p = prompt_step(std::max(rate * before, 1e-12), demand);
      pace.mixed_load = load_of(p.tokens, p.busiest);
      const double mixed = mean_seconds(pace.mixed_load, p.cv);
      pace.share = p.share;
      pace.step = p.share * mixed + (1 - p.share) * decode_seconds;
      pace.residual = residual_of(p.share, mixed, decode_seconds, pace.step);
      // A sequence's own prompt does not slow its own decoding.
      const double felt = p.share * others;
      pace.per_token = felt * mixed + (1 - felt) * (decoding > 0 ? decode_seconds : mixed);
      // SGLang's ranks decide apart: where one computes prompts, its own sequences stand still.
      if (prefill_first) pace.per_token /= 1 - std::min(0.95, p.busy * others_in_group);
    }
    const double tpot = pace.per_token / limits.acceptance_length;
    const double decode_time = mix.decoded * tpot;
    // Its own steps: one, shared with what arrived beside it, or several full ones.
    const double beside = rate * pace.step * others;
    const double own_rows = std::min(demand.room, mix.uncached * (1 + beside / groups));
    const auto own_seconds = [&] {
      StepLoad load =
          load_of(own_rows + (groups - 1) * std::min(demand.room, mix.uncached * beside / groups),
                  own_rows);
      load.decode_sequences *= others;  // nobody decodes beside the own prompt
      const double prompts = 1 + beside / groups;
      return mean_seconds(load, std::sqrt(mix.uncached_scv + prompts - 1) / prompts);
    };
    const double own =
        mix.uncached <= demand.room ? own_seconds() : full_seconds * mix.uncached / demand.room;
    const double lag = limits.async ? pace.step : 0;
    const double rest =
        limits.host_per_request + others * (pace.residual + lag) + own + decode_time;
    // Population = rate x (rest + waiting), waiting = k b o / (1 - b o) at a server busy for b,
    // with k = service (1 + scv) / 2 and o the others' share: a quadratic in b. No root below 1:
    // saturated. Requests end with decode steps, so that where these carry the prompts the queue
    // is one of work per step; prompts that go first are served in time.
    const double capacity =
        prefill_first ? groups / service
                      : groups * demand.room / (mix.uncached * std::max(pace.step, 1e-12));
    const double k = service * (1 + mix.uncached_scv) / 2;
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
    state.step = pace.step;
    state.chunk = pace.mixed_load.prefill_tokens;
    state.tpot = mix.decoded > 0 ? tpot : 0;
    state.ttft = limits.host_per_request + others * (pace.residual + lag) + waiting + own;
    state.resident = std::min(population, decoding + rate * own) * batches;
    state.decode_load = decode;
    state.mixed_load = pace.mixed_load;
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
